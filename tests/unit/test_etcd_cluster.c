#include <errno.h>
#include <string.h>

#include "client/etcd_cluster.h"
#include "tests/unit/etcd_fixture.h"

static struct etcd_fixture etcd;
static struct scripted_server *other; /* of which the client was not told */
static GString *told;

static void setup(void)
{
	etcd_fixture_init(&etcd, NULL, NULL);
	other = scripted_server_create();
	told = g_string_new(NULL);
}

static void teardown(void)
{
	etcd_fixture_finish(&etcd);
	scripted_server_destroy(other);
	g_string_free(told, TRUE);
}

static void note_member(const struct etcd_member *member)
{
	if (member->failure != NULL)
		g_string_append_printf(told, "%s: %s\n", member->name, member->failure);
	else
		g_string_append_printf(told, "%s: version %s leader %d term %d size %d of %d\n",
			member->name, member->version, (int)member->leader, (int)member->raft_term,
			(int)member->db_size_in_use, (int)member->db_size);
}

static void on_done(
	void *data, const struct etcd_result *result, const struct etcd_cluster *cluster)
{
	const struct etcd_member *leader = cluster != NULL ? etcd_cluster_leader(cluster) : NULL;

	pthread_mutex_lock(&etcd.lock);
	g_string_append_printf(told, "%d %s\n", result->errnum, result->message);
	for (guint i = 0; cluster != NULL && i < cluster->members->len; i++)
		note_member(g_ptr_array_index(cluster->members, i));
	for (guint i = 0; cluster != NULL && i < cluster->alarms->len; i++) {
		const struct etcd_alarm *alarm = g_ptr_array_index(cluster->alarms, i);

		g_string_append_printf(told, "alarm %d %s\n", (int)alarm->member, alarm->name);
	}
	if (cluster != NULL && cluster->alarms_failure != NULL)
		g_string_append_printf(told, "alarms: %s\n", cluster->alarms_failure);
	g_string_append_printf(told, "leader %s\n", leader != NULL ? leader->name : "none");
	etcd.done++;
	pthread_cond_broadcast(&etcd.changed);
	pthread_mutex_unlock(&etcd.lock);
}

static void ask(void)
{
	static const struct etcd_cluster_handlers handlers = {on_done};

	etcd_cluster_ask(etcd.client, &handlers, NULL, etcd.strand);
	etcd_wait_end(&etcd);
}

/* Members 2 and 3; the second one's client URLs are as said. */
static void list_members(const char *urls)
{
	g_autofree char *body = g_strdup_printf(
		"{" ETCD_HEADER ",\"members\":["
		"{\"ID\":\"2\",\"name\":\"here\",\"clientURLs\":[\"%s\"]},"
		"{\"ID\":\"3\",\"name\":\"there\",\"clientURLs\":[%s],\"isLearner\":true}]}",
		scripted_server_url(etcd.http.server), urls);

	etcd_respond(&etcd, "/v3/cluster/member/list", "200 OK", body);
}

static void respond_there(const char *id, const char *leader, const char *term)
{
	g_autofree char *body =
		g_strdup_printf("{\"header\":{\"member_id\":\"%s\"},\"version\":\"3.6.1\","
				"\"dbSize\":\"9\",\"dbSizeInUse\":\"8\",\"leader\":\"%s\","
				"\"raftTerm\":\"%s\"}",
			id, leader, term);

	scripted_server_respond_to(
		other, "POST /v3/maintenance/status ", "200 OK", ETCD_JSON, body);
}

static void respond_here(const char *leader)
{
	g_autofree char *body =
		g_strdup_printf("{" ETCD_HEADER ",\"version\":\"3.5.1\",\"dbSize\":\"7\",%s"
				"\"raftTerm\":\"4\"}",
			leader);

	etcd_respond(&etcd, "/v3/maintenance/status", "200 OK", body);
}

START_TEST (each_member_is_asked_where_the_cluster_says) {
	g_autofree char *urls = g_strdup_printf("\"%s\"", scripted_server_url(other));

	list_members(urls);
	respond_here("\"leader\":\"2\",");
	respond_there("3", "2", "4");
	etcd_respond(&etcd, "/v3/maintenance/alarm", "200 OK",
		"{" ETCD_HEADER ",\"alarms\":[{\"memberID\":\"3\",\"alarm\":\"NOSPACE\"}]}");
	ask();
	ck_assert_str_eq(told->str, "0 \n"
				    "here: version 3.5.1 leader 2 term 4 size 0 of 7\n"
				    "there: version 3.6.1 leader 2 term 4 size 8 of 9\n"
				    "alarm 3 NOSPACE\n"
				    "leader here\n");
}
END_TEST

/* One that was cut off still believes in itself. */
START_TEST (the_latest_term_says_who_leads) {
	g_autofree char *urls = g_strdup_printf("\"%s\"", scripted_server_url(other));

	list_members(urls);
	respond_here("\"leader\":\"2\",");
	respond_there("3", "3", "5");
	scripted_server_respond_to(other, "POST /v3/maintenance/alarm ", "200 OK", ETCD_JSON, "{}");
	ask();
	ck_assert(g_str_has_suffix(told->str, "leader there\n"));
}
END_TEST

START_TEST (without_a_leader_nobody_is_asked_for_alarms) {
	list_members("");
	respond_here("");
	ask();
	ck_assert_str_eq(told->str, "0 \n"
				    "here: version 3.5.1 leader 0 term 4 size 0 of 7\n"
				    "there: it has told no client URL\n"
				    "alarms: there is no leader to ask\n"
				    "leader none\n");
}
END_TEST

START_TEST (another_url_of_the_member_is_tried) {
	g_autofree char *urls = g_strdup_printf(
		"\"http://127.0.0.1:1\",\"nonsense://x/\",\"%s\"", scripted_server_url(other));

	list_members(urls);
	respond_here("");
	respond_there("3", "0", "4");
	ask();
	ck_assert_ptr_nonnull(strstr(told->str, "there: version 3.6.1 "));
}
END_TEST

START_TEST (what_cannot_be_asked_is_told) {
	list_members("\"nonsense\\u001b://x/\"");
	respond_here("");
	ask();
	ck_assert_ptr_nonnull(strstr(told->str, "there: "));
	ck_assert_ptr_nonnull(strstr(told->str, "nonsense\\x1B"));
}
END_TEST

START_TEST (somebody_else_at_that_url_is_told) {
	g_autofree char *urls = g_strdup_printf("\"%s\"", scripted_server_url(other));

	list_members(urls);
	respond_here("");
	respond_there("255", "0", "4");
	ask();
	ck_assert_ptr_nonnull(strstr(told->str, "there: at its client URL answers member ff\n"));
}
END_TEST

START_TEST (a_cluster_that_cannot_be_asked_is_an_error) {
	etcd_respond(&etcd, "/v3/cluster/member/list", "403 Forbidden",
		"{\"code\":7,\"message\":\"etcdserver: permission denied\"}");
	ask();
	ck_assert_ptr_nonnull(strstr(told->str, "permission denied"));
	ck_assert(g_str_has_suffix(told->str, "leader none\n"));
}
END_TEST

START_TEST (the_clients_end_ends_it) {
	static const struct etcd_cluster_handlers handlers = {on_done};
	g_autofree char *urls = g_strdup_printf("\"%s\"", scripted_server_url(other));

	list_members(urls);
	respond_here("");
	etcd_cluster_ask(etcd.client, &handlers, NULL, etcd.strand);
	scripted_server_wait(other, 1);
	etcd_client_destroy(g_steal_pointer(&etcd.client));
	ck_assert_uint_eq(etcd.done, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("etcd_cluster");
	TCase *tests = tcase_create("etcd_cluster");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, each_member_is_asked_where_the_cluster_says);
	tcase_add_test(tests, the_latest_term_says_who_leads);
	tcase_add_test(tests, without_a_leader_nobody_is_asked_for_alarms);
	tcase_add_test(tests, another_url_of_the_member_is_tried);
	tcase_add_test(tests, what_cannot_be_asked_is_told);
	tcase_add_test(tests, somebody_else_at_that_url_is_told);
	tcase_add_test(tests, a_cluster_that_cannot_be_asked_is_an_error);
	tcase_add_test(tests, the_clients_end_ends_it);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	return fixture_run_suite(make_suite());
}
