#include "kubefs/member_text.h"
#include "tests/unit/cache_fixture.h"

static struct etcd_cluster cluster;

static void setup(void)
{
	cluster = (struct etcd_cluster){
		.id = 0xcdf818194e3a8c32,
		.members = g_ptr_array_new(),
		.alarms = g_ptr_array_new(),
	};
}

static void teardown(void)
{
	g_ptr_array_unref(cluster.members);
	g_ptr_array_unref(cluster.alarms);
	g_clear_pointer(&cluster.alarms_failure, g_free);
}

static void expect(GBytes *taken, const char *wanted)
{
	g_autoptr(GBytes) text = taken;
	size_t length;
	const char *bytes = g_bytes_get_data(text, &length);

	ck_assert_uint_eq(length, strlen(wanted));
	ck_assert_mem_eq(bytes, wanted, length);
}

static struct etcd_member leader = {
	.id = 0x8e9e05c52164694d,
	.name = (char *)"etcd-0",
	.peer_urls = (char *[]){(char *)"http://10.0.0.1:2380", NULL},
	.client_urls = (char *[]){(char *)"http://10.0.0.1:2379", (char *)"http://a:2379", NULL},
	.version = (char *)"3.6.1",
	.leader = 0x8e9e05c52164694d,
	.raft_term = 2,
	.raft_index = INT64_MAX,
	.raft_applied_index = 41,
	.db_size = 20480,
	.db_size_in_use = 1999999,
};

static struct etcd_member stranger = {
	.id = 1,
	.name = (char *)"\x1b[31m\xe2\x80\xae",
	.peer_urls = (char *[]){NULL},
	.client_urls = (char *[]){(char *)"http://b\n:1", NULL},
	.failure = (char *)"http://b:1: no connection within 3 s",
};

START_TEST (a_table_has_columns) {
	struct etcd_alarm alarm = {leader.id, (char *)"NOSPACE"};

	g_ptr_array_add(cluster.members, &leader);
	g_ptr_array_add(cluster.alarms, &alarm);
	expect(member_text_table(&cluster),
		"NAME     ID                 ROLE     VERSION   RAFT-TERM   RAFT-INDEX            "
		"APPLIED-INDEX   DB-SIZE   IN-USE   ALARMS    CLIENT-URLS                          "
		"PEER-URLS              ERRORS\n"
		"etcd-0   8e9e05c52164694d   leader   3.6.1     2           9223372036854775807   "
		"41              20kB      2.0MB    NOSPACE   http://10.0.0.1:2379,http://a:2379   "
		"http://10.0.0.1:2380   <none>\n");
}
END_TEST

START_TEST (what_strangers_say_is_escaped) {
	g_ptr_array_add(cluster.members, &stranger);
	cluster.alarms_failure = g_strdup("there is no leader to ask");
	expect(member_text_table(&cluster),
		"NAME               ID   ROLE        VERSION     RAFT-TERM   RAFT-INDEX   "
		"APPLIED-INDEX   DB-SIZE     IN-USE      ALARMS      CLIENT-URLS      PEER-URLS   "
		"ERRORS\n"
		"\\x1B[31m\\u{202E}   1    <unknown>   <unknown>   <unknown>   <unknown>    "
		"<unknown>       <unknown>   <unknown>   <unknown>   http://b\\x0A:1   <none>      "
		"http://b:1: no connection within 3 s\n");
	expect(member_text_json(&cluster),
		"{\n"
		"\t\"clusterId\":\t\"cdf818194e3a8c32\",\n"
		"\t\"leader\":\tnull,\n"
		"\t\"alarmsFailure\":\t\"there is no leader to ask\",\n"
		"\t\"members\":\t[{\n"
		"\t\t\t\"name\":\t\"\\\\x1B[31m\\\\u{202E}\",\n"
		"\t\t\t\"id\":\t\"1\",\n"
		"\t\t\t\"peerURLs\":\t[],\n"
		"\t\t\t\"clientURLs\":\t[\"http://b\\\\x0A:1\"],\n"
		"\t\t\t\"isLearner\":\tfalse,\n"
		"\t\t\t\"isLeader\":\tfalse,\n"
		"\t\t\t\"alarms\":\t[],\n"
		"\t\t\t\"failure\":\t\"http://b:1: no connection within 3 s\"\n"
		"\t\t}]\n"
		"}\n");
}
END_TEST

START_TEST (numbers_are_exact) {
	g_autoptr(GBytes) text = NULL;

	g_ptr_array_add(cluster.members, &leader);
	text = member_text_json(&cluster);
	ck_assert_ptr_nonnull(g_strstr_len(g_bytes_get_data(text, NULL),
		(gssize)g_bytes_get_size(text), "\"raftIndex\":\t9223372036854775807,"));
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_table_has_columns);
	tcase_add_test(tcase, what_strangers_say_is_escaped);
	tcase_add_test(tcase, numbers_are_exact);
}

int main(void)
{
	return fixture_run("member_text", add);
}
