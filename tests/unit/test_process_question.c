/*
 * kubefs/process_question.h and what it reads, with a /proc that the test writes: deadlines,
 * questions that hang, and every state of a process. A FIFO hangs until somebody writes.
 */
#include "kubefs/process_question.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/temporary.h"

/* Nobody's: pids end at 2^22. */
#define FLUSHER 1000000007
#define OPENER 1000000009
#define THREAD 1000000011
#define INODE 0xfedcba9876543210ULL
#define INODE_TEXT "18364758544493064720"

#define ALIVE "Name:\ta b\nState:\tS\nTgid:\t1000000007\nVmSize:\t1 kB\n"
#define ENDING "Name:\ta b\nState:\tS\nTgid:\t1000000007\nThreads:\t1\n"
#define WRITER "pos:\t0\nflags:\t0100001\nmnt_id:\t77\nino:\t" INODE_TEXT "\n"

static const char *const ANSWERS[] = {"unknown", "holds", "left", "killed", "killed-held"};

static struct process_questions *questions;

static void setup(void)
{
	temporary_create();
	questions = process_questions_create(temporary_directory, FIXTURE_PATIENCE_MS);
}

static void teardown(void)
{
	g_clear_pointer(&questions, process_questions_destroy);
	temporary_destroy();
}

static void set_deadline(unsigned int milliseconds)
{
	process_questions_destroy(questions);
	questions = process_questions_create(temporary_directory, milliseconds);
}

struct reply {
	struct tally answered;
	enum process_answer answer;
};

static void on_answer(void *data, enum process_answer answer)
{
	struct reply *reply = data;

	reply->answer = answer;
	tally_add(&reply->answered);
}

static void ask(struct reply *reply, pid_t flusher, pid_t opener)
{
	tally_init(&reply->answered);
	process_questions_ask(questions, flusher, opener, INODE, on_answer, reply);
}

static enum process_answer wait_for(struct reply *reply)
{
	tally_reach(&reply->answered, 1);
	ck_assert_uint_eq(tally_get(&reply->answered), 1);
	tally_finish(&reply->answered);
	return reply->answer;
}

static enum process_answer ask_and_wait(pid_t flusher, pid_t opener)
{
	struct reply reply;

	ask(&reply, flusher, opener);
	return wait_for(&reply);
}

static void check(pid_t flusher, pid_t opener, const char *answer)
{
	ck_assert_str_eq(ANSWERS[ask_and_wait(flusher, opener)], answer);
}

static void put(pid_t thread, const char *name, const char *text)
{
	g_autofree char *path = g_strdup_printf("%d/%s", (int)thread, name);

	temporary_put(path, text);
}

static void drop(pid_t thread, const char *name)
{
	g_autofree char *path = g_strdup_printf("%s/%d/%s", temporary_directory, (int)thread, name);

	ck_assert_int_eq(unlink(path), 0);
}

static void make_directory(pid_t thread, const char *name)
{
	g_autofree char *path = g_strdup_printf("%s/%d/%s", temporary_directory, (int)thread, name);

	ck_assert_int_eq(g_mkdir_with_parents(path, 0700), 0);
}

static void put_stat(unsigned int flags, int code)
{
	GString *text = g_string_new("7 (a) b) (c\n) S");

	for (int field = 4; field <= 52; field++)
		g_string_append_printf(text, " %d",
			field == 9    ? (int)flags
			: field == 52 ? code
				      : 1);
	put(FLUSHER, "stat", text->str);
	g_string_free(text, TRUE);
}

START_TEST (reads_descriptors) {
	static const struct {
		const char *text;
		const char *answer;
	} CASES[] = {
		{WRITER, "holds"},
		{"pos:\t0\nflags:\t0100002\nmnt_id:\t77\nino:\t" INODE_TEXT "\nlock:\tx\n",
			"holds"},
		{"pos:\t0\nflags:\t02100001\nmnt_id:\t77\nino:\t" INODE_TEXT "\n", "holds"},
		{"pos:\t0\nflags:\t0100000\nmnt_id:\t77\nino:\t" INODE_TEXT "\n", "left"},
		{"pos:\t0\nflags:\t010100001\nmnt_id:\t77\nino:\t" INODE_TEXT "\n", "left"},
		{"pos:\t0\nflags:\t0100003\nmnt_id:\t77\nino:\t" INODE_TEXT "\n", "left"},
		{"pos:\t0\nflags:\t0100001\nmnt_id:\t77\nino:\t7\n", "left"},
		{"pos:\t0\nflags:\t0100001\nmnt_id:\t77\n", "unknown"},
		{"", "unknown"},
	};

	put(FLUSHER, "status", ALIVE);
	put(FLUSHER, "fdinfo/0", "pos:\t0\nflags:\t02\nmnt_id:\t12\nino:\t3\n");
	check(FLUSHER, 0, "left");
	for (size_t i = 0; i < G_N_ELEMENTS(CASES); i++) {
		put(FLUSHER, "fdinfo/9", CASES[i].text);
		check(FLUSHER, 0, CASES[i].answer);
		check(FLUSHER, FLUSHER, CASES[i].answer);
	}
}
END_TEST

START_TEST (tells_mounts_apart) {

	put(FLUSHER, "status", ALIVE);
	put(FLUSHER, "fdinfo/3", WRITER);
	temporary_put("self/mountinfo", "70 1 0:40 / /our\\040mount rw - fuse x rw\n");
	ck_assert_int_eq(process_questions_attach(questions, "/our"), -ENOENT);
	/* The inode alone. */
	check(FLUSHER, 0, "holds");
	ck_assert_int_eq(process_questions_attach(questions, "/our mount"), 0);
	/* Nobody shows that mount. */
	check(FLUSHER, 0, "holds");
	/* Another file system's, as its process sees it. */
	put(FLUSHER, "mountinfo", "77 1 0:41 / /x rw - tmpfs x rw\n");
	check(FLUSHER, 0, "left");
	put(FLUSHER, "mountinfo", "77 1 0:40 / /x rw - fuse x rw\n");
	check(FLUSHER, 0, "holds");
	/* The same as we see it. */
	put(FLUSHER, "mountinfo", "78 1 0:40 / /x rw - fuse x rw\n");
	temporary_put("self/mountinfo", "77 1 0:41 / /x rw - tmpfs x rw\n");
	check(FLUSHER, 0, "left");
	temporary_put("self/mountinfo", "77 1 0:40 / /x rw - fuse x rw\n");
	check(FLUSHER, 0, "holds");
}
END_TEST

START_TEST (asks_flusher_and_opener) {
	put(FLUSHER, "status", ALIVE);
	put(FLUSHER, "fdinfo/0", "pos:\t0\nflags:\t02\nmnt_id:\t12\nino:\t3\n");
	/* Gone. */
	check(FLUSHER, OPENER, "left");
	put(OPENER, "status", "Name:\tx\nTgid:\t1000000009\nVmSize:\t1 kB\n");
	make_directory(OPENER, "fdinfo");
	check(FLUSHER, OPENER, "left");
	put(OPENER, "fdinfo/1", WRITER);
	check(FLUSHER, OPENER, "holds");
	/* A flusher that we do not see: it may hold. */
	check(0, OPENER, "holds");
	check(THREAD, OPENER, "holds");
	drop(OPENER, "fdinfo/1");
	check(0, OPENER, "unknown");
	check(THREAD, OPENER, "unknown");
	put(OPENER, "status", "nonsense");
	check(FLUSHER, OPENER, "unknown");
	put(FLUSHER, "fdinfo/1", WRITER);
	check(FLUSHER, OPENER, "holds");
}
END_TEST

START_TEST (asks_threads) {
	/* The flushing thread's own table, then its leader's, then any other's. */
	put(THREAD, "status", ALIVE);
	put(FLUSHER, "status", ENDING);
	put(THREAD, "fdinfo/1", WRITER);
	make_directory(FLUSHER, "fdinfo");
	check(THREAD, 0, "holds");
	drop(THREAD, "fdinfo/1");
	check(THREAD, 0, "left");
	put(FLUSHER, "fdinfo/1", WRITER);
	check(THREAD, 0, "holds");
	drop(FLUSHER, "fdinfo/1");
	/* The leader is a zombie. */
	put(OPENER, "fdinfo/1", WRITER);
	make_directory(FLUSHER, "task/1000000007");
	make_directory(FLUSHER, "task/1000000009");
	check(THREAD, 0, "holds");
	/* The same as opener. */
	put(THREAD, "status", "Name:\tx\nTgid:\t1000000011\nVmSize:\t1 kB\n");
	check(THREAD, FLUSHER, "holds");
	drop(OPENER, "fdinfo/1");
	check(THREAD, FLUSHER, "left");
}
END_TEST

START_TEST (tells_who_was_killed) {
	put(FLUSHER, "status", ENDING);
	make_directory(FLUSHER, "fdinfo");
	put_stat(0x404, 9);
	check(FLUSHER, 0, "killed");
	put_stat(0x40044c, 0x80 | 11);
	check(FLUSHER, 0, "killed");
	/* Ended by another thread's exit. */
	put_stat(0x404, 0);
	check(FLUSHER, 0, "left");
	put_stat(0x404, 3 << 8);
	check(FLUSHER, 0, "left");
	put_stat(0x4, 9);
	check(FLUSHER, 0, "left");
	put_stat(0x400, 9);
	check(FLUSHER, 0, "left");
	put(FLUSHER, "stat", "nonsense");
	check(FLUSHER, 0, "left");
	/* Nobody reads stat of one that lives. */
	put_stat(0x404, 9);
	put(FLUSHER, "status", ALIVE);
	check(FLUSHER, 0, "left");
	/* The opener may go on. */
	put(FLUSHER, "status", ENDING);
	put(OPENER, "status", "Name:\tx\nTgid:\t1000000009\nVmSize:\t1 kB\n");
	put(OPENER, "fdinfo/1", WRITER);
	check(FLUSHER, OPENER, "killed-held");
	put_stat(0x4, 0);
	check(FLUSHER, OPENER, "holds");
}
END_TEST

static void check_end(const char *answer)
{
	struct reply reply;

	tally_init(&reply.answered);
	process_questions_ask_end(questions, FLUSHER, on_answer, &reply);
	ck_assert_str_eq(ANSWERS[wait_for(&reply)], answer);
}

START_TEST (tells_who_is_being_killed) {
	check_end("unknown");
	make_directory(FLUSHER, "fdinfo");
	put(FLUSHER, "status", ALIVE);
	put_stat(0x404, 9);
	check_end("left");
	put(FLUSHER, "status", ENDING);
	check_end("killed");
	put_stat(0x4, 0);
	check_end("left");
}
END_TEST

START_TEST (who_may_not_be_inspected_shows_no_exit_code) {
	/* What cannot be opened; root could, whatever its mode is. */
	put(FLUSHER, "fdinfo", "no directory\n");
	put(FLUSHER, "status", ENDING);
	put_stat(0x404, 0);
	check(FLUSHER, 0, "killed");
	put_stat(0x4, 0);
	check(FLUSHER, 0, "unknown");
	put(FLUSHER, "status", ALIVE);
	check(FLUSHER, 0, "unknown");
}
END_TEST

/* A status that hangs. */
static void hang(pid_t thread)
{
	g_autofree char *path = g_strdup_printf("%s/%d/status", temporary_directory, (int)thread);

	make_directory(thread, "fdinfo");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

/*
 * Lets who hangs there go on. A worker that came so late that its question had its answer already
 * never looks; one that is on its way finds a file that does not hang.
 */
static void let_go(pid_t thread)
{
	g_autofree char *path = g_strdup_printf("%s/%d/status", temporary_directory, (int)thread);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert(g_file_set_contents(path, "", 0, NULL));
	close(fd);
}

static void put_idle(pid_t thread)
{
	put(thread, "status", ALIVE);
	put(thread, "fdinfo/0", "pos:\t0\nflags:\t02\nmnt_id:\t12\nino:\t3\n");
}

START_TEST (an_answer_does_not_wait_for_who_hangs) {
	gint64 begin;

	set_deadline(PROCESS_DEADLINE_MS);
	hang(THREAD);
	begin = g_get_monotonic_time();
	check(THREAD, 0, "unknown");
	ck_assert_int_ge(g_get_monotonic_time() - begin, PROCESS_DEADLINE_MS * 1000);
	/* Answered once, though the worker comes back. */
	let_go(THREAD);
}
END_TEST

/* Workers that hang are lost until they come back; who would need one more is told at once. */
START_TEST (at_most_so_many_hang) {
	struct reply replies[PROCESS_HUNG_MAX + 1];
	gint64 patience;

	/* All of them must have begun by then: a question that has its answer hangs nobody. */
	set_deadline(4 * PROCESS_DEADLINE_MS);
	put_idle(FLUSHER);
	for (int i = 0; i < PROCESS_HUNG_MAX; i++) {
		hang(OPENER + i);
		ask(&replies[i], OPENER + i, 0);
	}
	/* It waits for a worker, and has a deadline, too. */
	ask(&replies[PROCESS_HUNG_MAX], FLUSHER, 0);
	for (int i = 0; i <= PROCESS_HUNG_MAX; i++)
		ck_assert_int_eq(wait_for(&replies[i]), PROCESS_UNKNOWN);
	for (int i = 0; i < 100; i++) {
		ask(&replies[0], FLUSHER, 0);
		ck_assert_uint_eq(tally_get(&replies[0].answered), 1);
		ck_assert_int_eq(wait_for(&replies[0]), PROCESS_UNKNOWN);
	}
	let_go(OPENER);
	patience = g_get_monotonic_time() + FIXTURE_PATIENCE_MS * 1000;
	while (ask_and_wait(FLUSHER, 0) != PROCESS_LEFT)
		ck_assert_int_lt(g_get_monotonic_time(), patience);
	for (int i = 1; i < PROCESS_HUNG_MAX; i++)
		let_go(OPENER + i);
}
END_TEST

START_TEST (at_most_so_many_are_open) {
	struct reply *replies = g_new0(struct reply, PROCESS_QUESTIONS_MAX + 1);

	for (int i = 0; i < PROCESS_HUNG_MAX; i++)
		hang(OPENER + i);
	put_idle(FLUSHER);
	for (int i = 0; i < PROCESS_QUESTIONS_MAX; i++)
		ask(&replies[i], i < PROCESS_HUNG_MAX ? OPENER + i : FLUSHER, 0);
	check(FLUSHER, 0, "unknown");
	for (int i = 0; i < PROCESS_HUNG_MAX; i++)
		let_go(OPENER + i);
	for (int i = 0; i < PROCESS_QUESTIONS_MAX; i++)
		ck_assert_int_eq(wait_for(&replies[i]),
			i < PROCESS_HUNG_MAX ? PROCESS_UNKNOWN : PROCESS_LEFT);
	g_free(replies);
}
END_TEST

static void *destroy_in_thread(void *data)
{
	process_questions_destroy(data);
	return NULL;
}

START_TEST (the_end_answers_what_is_open) {
	struct reply reply;
	pthread_t thread;

	hang(THREAD);
	ask(&reply, THREAD, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, destroy_in_thread, questions), 0);
	ck_assert_int_eq(wait_for(&reply), PROCESS_UNKNOWN);
	let_go(THREAD);
	pthread_join(thread, NULL);
	questions = NULL;
}
END_TEST

#define RACES 200

/* Answers and deadlines at the same time: one of them counts. */
START_TEST (each_is_answered_once) {
	struct reply *replies = g_new0(struct reply, RACES);

	set_deadline(1);
	put_idle(FLUSHER);
	for (int i = 0; i < RACES; i++) {
		ask(&replies[i], FLUSHER, 0);
		if (i % 3 == 0)
			g_usleep(200);
	}
	for (int i = 0; i < RACES; i++) {
		tally_reach(&replies[i].answered, 1);
		ck_assert(
			replies[i].answer == PROCESS_LEFT || replies[i].answer == PROCESS_UNKNOWN);
	}
	g_clear_pointer(&questions, process_questions_destroy);
	for (int i = 0; i < RACES; i++)
		wait_for(&replies[i]);
	g_free(replies);
	process_questions_destroy(NULL);
}
END_TEST

static void add_all(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, reads_descriptors);
	tcase_add_test(tcase, tells_mounts_apart);
	tcase_add_test(tcase, asks_flusher_and_opener);
	tcase_add_test(tcase, asks_threads);
	tcase_add_test(tcase, tells_who_was_killed);
	tcase_add_test(tcase, tells_who_is_being_killed);
	tcase_add_test(tcase, who_may_not_be_inspected_shows_no_exit_code);
	tcase_add_test(tcase, an_answer_does_not_wait_for_who_hangs);
	tcase_add_test(tcase, at_most_so_many_hang);
	tcase_add_test(tcase, at_most_so_many_are_open);
	tcase_add_test(tcase, the_end_answers_what_is_open);
	tcase_add_test(tcase, each_is_answered_once);
}

int main(void)
{
	return fixture_run("process_question", add_all);
}
