#include "client/etcd_cluster.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/etcd_url.h"

/* URLs of a member that are tried, one after another. */
#define URLS_MAX 4

struct ask {
	struct etcd_client *client;
	struct strand *strand; /* on which all runs */
	struct etcd_cluster_handlers handlers;
	void *data;
	struct etcd_cluster cluster;
	guint pending; /* members that have not answered */
};

/* One member that is asked. */
struct question {
	struct ask *ask;
	struct etcd_member *member;
	char *server; /* that is asked */
	GPtrArray *servers; /* still to be tried behind the present one, the next one last */
};

static void member_free(void *pointer)
{
	struct etcd_member *member = pointer;

	g_free(member->name);
	g_strfreev(member->peer_urls);
	g_strfreev(member->client_urls);
	g_free(member->failure);
	g_free(member->server);
	g_free(member->version);
	g_strfreev(member->errors);
	g_free(member);
}

static void alarm_free(void *pointer)
{
	struct etcd_alarm *alarm = pointer;

	g_free(alarm->name);
	g_free(alarm);
}

/* The end, with or without a cluster. */
static void finish(struct ask *ask, const struct etcd_result *result)
{
	ask->handlers.done(ask->data, result, result->errnum == 0 ? &ask->cluster : NULL);
	g_ptr_array_unref(ask->cluster.members);
	g_ptr_array_unref(ask->cluster.alarms);
	g_free(ask->cluster.alarms_failure);
	strand_unref(ask->strand);
	g_free(ask);
}

/* 64-bit integers are strings; zeros are left out. */
static uint64_t read_number(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	if (cJSON_IsString(item))
		return g_ascii_strtoull(item->valuestring, NULL, 10);
	return cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble < 0x1p63
		       ? (uint64_t)item->valuedouble
		       : 0;
}

static char *read_string(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return g_strdup(text != NULL ? text : "");
}

static char **read_strings(const cJSON *object, const char *name)
{
	const cJSON *array = cJSON_GetObjectItemCaseSensitive(object, name);
	GStrvBuilder *strings = g_strv_builder_new();
	const cJSON *item;
	char **found;

	cJSON_ArrayForEach(item, array)
	{
		if (cJSON_IsString(item))
			g_strv_builder_add(strings, item->valuestring);
	}
	found = g_strv_builder_end(strings);
	g_strv_builder_unref(strings);
	return found;
}

/* The alarms */

static void read_alarms(struct etcd_cluster *cluster, const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(object, "alarms"))
	{
		struct etcd_alarm *alarm = g_new0(struct etcd_alarm, 1);

		alarm->member = read_number(item, "memberID");
		alarm->name = read_string(item, "alarm");
		g_ptr_array_add(cluster->alarms, alarm);
	}
}

static void on_alarms(void *data, const struct etcd_result *result, const cJSON *object)
{
	const struct etcd_result success = {.message = ""};
	struct ask *ask = data;

	if (result->errnum == 0)
		read_alarms(&ask->cluster, object);
	else
		ask->cluster.alarms_failure = g_strdup(result->message);
	finish(ask, &success);
}

/* The quorum has to agree on them: of whom follows a leader they can be had at once. */
static void ask_alarms(struct ask *ask)
{
	static const struct etcd_get_handlers handlers = {on_alarms};
	const struct etcd_result success = {.message = ""};
	const struct etcd_member *leader = etcd_cluster_leader(&ask->cluster);

	if (leader == NULL || leader->server == NULL) {
		ask->cluster.alarms_failure = g_strdup("there is no leader to ask");
		finish(ask, &success);
		return;
	}
	etcd_call_unref(etcd_ask_server(ask->client, ETCD_ALARMS, leader->server,
		ETCD_MEMBER_TIMEOUT, &handlers, ask, ask->strand));
}

/* The members */

static void read_status(struct question *question, const cJSON *object)
{
	struct etcd_member *member = question->member;
	const cJSON *header = cJSON_GetObjectItemCaseSensitive(object, "header");
	uint64_t id = read_number(header, "member_id");

	if (id != member->id) {
		member->failure = g_strdup_printf(
			"at its client URL answers member %" G_GINT64_MODIFIER "x", id);
		return;
	}
	member->server = g_steal_pointer(&question->server);
	member->version = read_string(object, "version");
	member->leader = read_number(object, "leader");
	member->raft_term = read_number(object, "raftTerm");
	member->raft_index = read_number(object, "raftIndex");
	member->raft_applied_index = read_number(object, "raftAppliedIndex");
	member->db_size = (int64_t)read_number(object, "dbSize");
	member->db_size_in_use = (int64_t)read_number(object, "dbSizeInUse");
	member->errors = read_strings(object, "errors");
}

static void ask_member(struct question *question);

static void end_question(struct question *question)
{
	struct ask *ask = question->ask;

	g_ptr_array_unref(question->servers);
	g_free(question->server);
	g_free(question);
	if (--ask->pending == 0)
		ask_alarms(ask);
}

static void on_status(void *data, const struct etcd_result *result, const cJSON *object)
{
	struct question *question = data;
	struct etcd_member *member = question->member;

	g_clear_pointer(&member->failure, g_free);
	if (result->errnum == 0)
		read_status(question, object);
	else
		member->failure = g_strdup(result->message);
	if (member->failure != NULL && result->errnum != ECANCELED && question->servers->len > 0)
		ask_member(question);
	else
		end_question(question);
}

static void ask_member(struct question *question)
{
	static const struct etcd_get_handlers handlers = {on_status};
	struct ask *ask = question->ask;

	g_free(question->server);
	question->server = g_ptr_array_steal_index(question->servers, question->servers->len - 1);
	etcd_call_unref(etcd_ask_server(ask->client, ETCD_STATUS, question->server,
		ETCD_MEMBER_TIMEOUT, &handlers, question, ask->strand));
}

/* What a token or a password is sent to. */
static int check_url(struct etcd_client *client, const char *url, GError **error)
{
	if (g_str_has_prefix(etcd_client_where(client), "https:") &&
		!g_str_has_prefix(url, "https:"))
		return error_set(error, EPERM, "%s: its client URL is without TLS: not asked", url);
	return 0;
}

/* Adds the server of a client URL, or says why that cannot be asked. */
static int add_server(
	struct etcd_client *client, const char *url, GPtrArray *servers, GError **error)
{
	g_autoptr(GPtrArray) parsed = g_ptr_array_new_with_free_func(g_free);
	int r = etcd_endpoints_parse(url, FALSE, parsed, error);

	if (r == 0)
		r = check_url(client, g_ptr_array_index(parsed, 0), error);
	if (r == 0)
		g_ptr_array_add(servers, g_ptr_array_steal_index(parsed, 0));
	return r;
}

/* Those that can be asked, the first one last; why there is none in member->failure. */
static GPtrArray *choose_servers(struct etcd_client *client, struct etcd_member *member)
{
	GPtrArray *servers = g_ptr_array_new_with_free_func(g_free);
	guint count = MIN(g_strv_length(member->client_urls), URLS_MAX);
	g_autoptr(GError) error = NULL;

	while (count > 0) {
		g_clear_error(&error);
		add_server(client, member->client_urls[--count], servers, &error);
	}
	if (servers->len == 0)
		member->failure = error != NULL ? g_strdup(error->message)
						: g_strdup("it has told no client URL");
	return servers;
}

static void ask_members(struct ask *ask)
{
	const GPtrArray *members = ask->cluster.members;
	g_autoptr(GPtrArray) questions = g_ptr_array_new();

	for (guint i = 0; i < members->len; i++) {
		struct etcd_member *member = g_ptr_array_index(members, i);
		struct question *question;
		GPtrArray *servers = choose_servers(ask->client, member);

		if (servers->len == 0) {
			g_ptr_array_unref(servers);
			continue;
		}
		question = g_new0(struct question, 1);
		*question = (struct question){.ask = ask, .member = member, .servers = servers};
		g_ptr_array_add(questions, question);
	}
	ask->pending = questions->len;
	if (ask->pending == 0)
		ask_alarms(ask);
	for (guint i = 0; i < questions->len; i++)
		ask_member(g_ptr_array_index(questions, i));
}

static struct etcd_member *read_member(const cJSON *object)
{
	struct etcd_member *member = g_new0(struct etcd_member, 1);

	member->id = read_number(object, "ID");
	member->name = read_string(object, "name");
	member->peer_urls = read_strings(object, "peerURLs");
	member->client_urls = read_strings(object, "clientURLs");
	member->learner = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "isLearner"));
	return member;
}

static void on_members(void *data, const struct etcd_result *result, const cJSON *object)
{
	const struct etcd_result too_many = {
		.errnum = E2BIG,
		.message = "the cluster has more members than can be asked",
	};
	struct ask *ask = data;
	const cJSON *members, *item;

	if (result->errnum != 0) {
		finish(ask, result);
		return;
	}
	members = cJSON_GetObjectItemCaseSensitive(object, "members");
	if (cJSON_GetArraySize(members) > ETCD_MEMBERS_MAX) {
		finish(ask, &too_many);
		return;
	}
	ask->cluster.id =
		read_number(cJSON_GetObjectItemCaseSensitive(object, "header"), "cluster_id");
	cJSON_ArrayForEach(item, members) g_ptr_array_add(ask->cluster.members, read_member(item));
	ask_members(ask);
}

void etcd_cluster_ask(struct etcd_client *client, const struct etcd_cluster_handlers *handlers,
	void *data, struct strand *strand)
{
	static const struct etcd_get_handlers members_handlers = {on_members};
	struct ask *ask = g_new0(struct ask, 1);

	ask->client = client;
	ask->strand = strand_ref(strand);
	ask->handlers = *handlers;
	ask->data = data;
	ask->cluster.members = g_ptr_array_new_with_free_func(member_free);
	ask->cluster.alarms = g_ptr_array_new_with_free_func(alarm_free);
	etcd_call_unref(etcd_ask_server(client, ETCD_MEMBERS, NULL, ETCD_MEMBER_TIMEOUT,
		&members_handlers, ask, ask->strand));
}

const struct etcd_member *etcd_cluster_leader(const struct etcd_cluster *cluster)
{
	const struct etcd_member *latest = NULL;

	for (guint i = 0; i < cluster->members->len; i++) {
		const struct etcd_member *member = g_ptr_array_index(cluster->members, i);

		if (member->leader != 0 &&
			(latest == NULL || member->raft_term > latest->raft_term))
			latest = member;
	}
	for (guint i = 0; latest != NULL && i < cluster->members->len; i++) {
		const struct etcd_member *member = g_ptr_array_index(cluster->members, i);

		if (member->id == latest->leader)
			return member;
	}
	return NULL;
}
