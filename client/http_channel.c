#include "client/http_channel.h"

static void channel_free(void *data)
{
	struct http_channel *channel = data;

	curl_share_cleanup(channel->share);
	g_free(channel);
}

void http_lane_init(struct http_lane_channels *lane)
{
	lane->channels = g_ptr_array_new_with_free_func(channel_free);
}

void http_lane_finish(struct http_lane_channels *lane)
{
	g_clear_pointer(&lane->channels, g_ptr_array_unref);
}

static struct http_channel *channel_create(void)
{
	struct http_channel *channel = g_new0(struct http_channel, 1);

	channel->share = curl_share_init();
	if (channel->share == NULL || curl_share_setopt(channel->share, CURLSHOPT_SHARE,
					      CURL_LOCK_DATA_CONNECT) != CURLSHE_OK) {
		channel_free(channel);
		return NULL;
	}
	return channel;
}

struct http_channel *http_lane_take(struct http_lane_channels *lane, unsigned int streams_max)
{
	struct http_channel *channel;
	unsigned int i;

	lane->kept = streams_max == 1 ? HTTP_CHANNELS_KEPT_SINGLE : HTTP_CHANNELS_KEPT;
	for (i = 0; i < lane->channels->len; i++) {
		channel = g_ptr_array_index(lane->channels, i);
		if (!channel->retired && channel->streams < streams_max) {
			channel->streams++;
			return channel;
		}
	}
	channel = channel_create();
	if (channel == NULL)
		return NULL;
	channel->streams = 1;
	g_ptr_array_add(lane->channels, channel);
	return channel;
}

void http_lane_retire(struct http_channel *channel)
{
	channel->retired = TRUE;
}

void http_lane_give(struct http_lane_channels *lane, struct http_channel *channel)
{
	channel->streams--;
	if (channel->streams == 0 && (channel->retired || lane->channels->len > lane->kept))
		g_ptr_array_remove(lane->channels, channel);
}
