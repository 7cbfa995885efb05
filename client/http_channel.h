/*
 * A channel is a connection cache for as many exchanges as one HTTP/2 connection carries; a lane
 * is a list of channels. libcurl 7.88 by itself opens a connection for each transfer that finds the
 * existing ones full (lib/url.c, ConnectionExists: those being made are not waited for), so the
 * exchanges are dealt out here. Shares keep connections apart even within one multi handle. All
 * is the client thread's alone, so that the shares need no locks.
 */
#pragma once

#include <curl/curl.h>
#include <glib.h>

/*
 * Streams on one connection: Go's servers allow 100 or more (protocol.md 16), and reset ones count
 * until the server has seen the reset.
 */
#define HTTP_CHANNEL_STREAMS_MAX 90U

/*
 * What a lane keeps of channels without exchanges: of connections that carry one at a time, as
 * many as are used together all the time.
 */
#define HTTP_CHANNELS_KEPT 1U
#define HTTP_CHANNELS_KEPT_SINGLE 4U

struct http_channel {
	CURLSH *share;
	unsigned int streams; /* exchanges dealt to it */
	gboolean retired; /* no more are dealt to it */
};

struct http_lane_channels {
	GPtrArray *channels; /* of struct http_channel * */
	unsigned int kept;
};

void http_lane_init(struct http_lane_channels *lane);
/* Closes the connections. Every channel must have been given back. */
void http_lane_finish(struct http_lane_channels *lane);

/*
 * A channel with room among streams_max exchanges, of which all callers of a lane say the same.
 * NULL when memory is out.
 */
struct http_channel *http_lane_take(struct http_lane_channels *lane, unsigned int streams_max);
/*
 * Its connection is suspected dead: who comes gets another one, who is there has time-outs of
 * their own. (libcurl 7.88 neither waits for the answer to a HTTP/2 PING, nor does
 * curl_easy_upkeep send one for a multi handle.)
 */
void http_lane_retire(struct http_channel *channel);
/*
 * Gives it back once no easy handle uses its share. One without exchanges keeps its connection
 * unless the lane has enough of them, or it is retired.
 */
void http_lane_give(struct http_lane_channels *lane, struct http_channel *channel);
