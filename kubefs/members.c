#include "kubefs/members.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/etcd_cluster.h"
#include "client/loop.h"
#include "kubefs/member_text.h"

typedef GBytes *(*render)(const struct etcd_cluster *cluster);

const char *const MEMBERS_FILES[] = {"json", "table", NULL};
static const render RENDERS[] = {member_text_json, member_text_table};

struct members {
	struct etcd_client *client;
	struct strand *strand;
	pthread_mutex_t lock; /* guards all below */
	gboolean asking;
	uint64_t time; /* of the answer; 0: none yet */
	int errnum; /* why there is no text */
	char *message;
	GBytes *texts[G_N_ELEMENTS(RENDERS)];
	struct waiters waiters;
};

struct members *members_create(struct etcd_client *client, struct strand_pool *pool)
{
	struct members *members = g_new0(struct members, 1);

	members->client = client;
	members->strand = strand_create(pool);
	pthread_mutex_init(&members->lock, NULL);
	return members;
}

void members_destroy(struct members *members)
{
	if (members == NULL)
		return;
	strand_unref(members->strand);
	pthread_mutex_destroy(&members->lock);
	g_free(members->message);
	for (guint i = 0; i < G_N_ELEMENTS(RENDERS); i++)
		g_clear_pointer(&members->texts[i], g_bytes_unref);
	waiters_finish(&members->waiters);
	g_free(members);
}

static void on_done(
	void *data, const struct etcd_result *result, const struct etcd_cluster *cluster)
{
	struct members *members = data;

	pthread_mutex_lock(&members->lock);
	members->asking = FALSE;
	members->time = loop_now();
	members->errnum = result->errnum;
	g_free(members->message);
	members->message = g_strdup(result->message);
	for (guint i = 0; i < G_N_ELEMENTS(RENDERS); i++) {
		g_clear_pointer(&members->texts[i], g_bytes_unref);
		if (cluster != NULL)
			members->texts[i] = RENDERS[i](cluster);
	}
	waiters_unlock_and_wake(&members->waiters, &members->lock);
}

static int find_file(const char *name)
{
	for (int i = 0; MEMBERS_FILES[i] != NULL; i++) {
		if (strcmp(MEMBERS_FILES[i], name) == 0)
			return i;
	}
	return -ENOENT;
}

/* Under the lock. */
static int take_answer(struct members *members, int file, GBytes **ret, GError **error)
{
	if (members->errnum != 0)
		return error_set(error, members->errnum, "%s", members->message);
	*ret = g_bytes_ref(members->texts[file]);
	return 0;
}

int members_look(struct members *members, const char *name, collection_wait wait, void *data,
	GBytes **ret, GError **error)
{
	static const struct etcd_cluster_handlers handlers = {on_done};
	const int file = find_file(name);
	gboolean first = FALSE;
	int r = -EINPROGRESS;

	if (file < 0)
		return file;
	pthread_mutex_lock(&members->lock);
	if (!members->asking && members->time != 0 && loop_now() - members->time < MEMBERS_MS) {
		r = take_answer(members, file, ret, error);
	} else {
		first = !members->asking;
		members->asking = TRUE;
		if (wait != NULL)
			waiters_add(&members->waiters, wait, data);
	}
	pthread_mutex_unlock(&members->lock);
	if (first)
		etcd_cluster_ask(members->client, &handlers, members, members->strand);
	return r;
}
