/* kubefs/journal.h: a bounded ring of lines that can do a terminal no harm. */
#include "kubefs/journal.h"

#include <errno.h>
#include <string.h>

#include "kubefs/log.h"
#include "tests/unit/cache_fixture.h"

static char *text_of(struct journal *journal)
{
	g_autoptr(GBytes) bytes = journal_text(journal);

	return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static guint count_lines(const char *text)
{
	guint lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

/* What follows the time. */
static void expect(int errnum, const char *line, const char *wanted)
{
	struct journal *journal = journal_create();
	g_autofree char *text = NULL;

	journal_add(journal, errnum, line);
	text = text_of(journal);
	ck_assert_uint_eq(count_lines(text), 1);
	ck_assert_uint_gt(strlen(text), strlen("2026-01-31T12:00:00Z "));
	ck_assert_str_eq(text + strlen("2026-01-31T12:00:00Z "), wanted);
	journal_destroy(journal);
}

START_TEST (writes_time_name_and_text) {
	struct journal *journal = journal_create();
	g_autofree char *text = text_of(journal);

	ck_assert_str_eq(text, "");
	journal_destroy(journal);
	journal_destroy(NULL);
	expect(EACCES, "pods: no", "EACCES pods: no\n");
	expect(0, "a warning", "warning a warning\n");
	expect(4711, "what is this", "error what is this\n");
	expect(EIO, "", "EIO \n");
}
END_TEST

START_TEST (escapes_what_moves_the_cursor_or_turns_text) {
	expect(EIO, "a\nb\rc\td", "EIO a\\u000ab\\u000dc\\u0009d\n");
	expect(EIO, "\x1b[31mred\x07", "EIO \\u001b[31mred\\u0007\n");
	expect(EIO, "\x7f", "EIO \\u007f\n");
	/* C1: a one-character CSI. */
	expect(EIO,
		"\xc2\x9b"
		"31m",
		"EIO \\u009b31m\n");
	expect(EIO, "\u202eevil\u202c", "EIO \\u202eevil\\u202c\n");
	expect(EIO, "\u2066a\u2069\u200f\u061c", "EIO \\u2066a\\u2069\\u200f\\u061c\n");
	expect(EIO, "\u2028\u2029", "EIO \\u2028\\u2029\n");
	expect(EIO, "gr\u00fc\u00dfe \U0001F433", "EIO gr\u00fc\u00dfe \U0001F433\n");
}
END_TEST

START_TEST (makes_bad_utf8_valid) {
	struct journal *journal = journal_create();
	g_autofree char *text = NULL;

	journal_add(journal, EIO, "a\xff\xfe\xc3");
	text = text_of(journal);
	ck_assert(g_utf8_validate(text, -1, NULL));
	journal_destroy(journal);
}
END_TEST

START_TEST (counts_repetitions_of_the_last) {
	struct journal *journal = journal_create();
	g_autofree char *text = NULL;

	for (int i = 0; i < 3; i++)
		journal_add(journal, EIO, "the same");
	journal_add(journal, EACCES, "the same");
	journal_add(journal, EIO, "the same");
	text = text_of(journal);
	ck_assert_uint_eq(count_lines(text), 3);
	ck_assert_ptr_nonnull(strstr(text, "EIO the same (3 times)\n"));
	ck_assert_ptr_nonnull(strstr(text, "EACCES the same\n"));
	journal_destroy(journal);
}
END_TEST

START_TEST (keeps_a_bounded_number_of_lines) {
	struct journal *journal = journal_create();
	g_autofree char *text = NULL;

	for (int i = 0; i < JOURNAL_LINES + 500; i++) {
		g_autofree char *line = g_strdup_printf("line %d.", i);

		journal_add(journal, EIO, line);
	}
	text = text_of(journal);
	ck_assert_uint_eq(count_lines(text), JOURNAL_LINES);
	ck_assert_ptr_null(strstr(text, "line 499."));
	ck_assert_ptr_nonnull(strstr(text, "line 500."));
	ck_assert_ptr_nonnull(strstr(text, "line 1499."));
	ck_assert(strstr(text, "line 500.") < strstr(text, "line 501."));
	journal_destroy(journal);
}
END_TEST

START_TEST (keeps_lines_of_bounded_length) {
	struct journal *journal = journal_create();
	g_autofree char *line = g_strnfill(10 * JOURNAL_LINE_MAX, '\n');
	g_autofree char *text = NULL;

	journal_add(journal, EIO, line);
	text = text_of(journal);
	ck_assert_uint_eq(count_lines(text), 1);
	ck_assert_uint_le(strlen(text), JOURNAL_LINE_MAX + 64);
	journal_destroy(journal);
}
END_TEST

static void *add_many(void *data)
{
	for (int i = 0; i < 2000; i++) {
		g_autofree char *line = g_strdup_printf("line %d", i % 3);

		journal_add(data, i % 2 == 0 ? EIO : 0, line);
		if (i % 200 == 0)
			g_bytes_unref(journal_text(data));
	}
	return NULL;
}

START_TEST (works_on_several_threads) {
	struct journal *journal = journal_create();
	pthread_t threads[4];

	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_create(&threads[i], NULL, add_many, journal);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	journal_destroy(journal);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, writes_time_name_and_text);
	tcase_add_test(tcase, escapes_what_moves_the_cursor_or_turns_text);
	tcase_add_test(tcase, makes_bad_utf8_valid);
	tcase_add_test(tcase, counts_repetitions_of_the_last);
	tcase_add_test(tcase, keeps_a_bounded_number_of_lines);
	tcase_add_test(tcase, keeps_lines_of_bounded_length);
	tcase_add_test(tcase, works_on_several_threads);
}

int main(void)
{
	return fixture_run("journal", add);
}
