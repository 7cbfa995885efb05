#include "kubefs/journal.h"

#include <string.h>

#include "client/lock.h"
#include "kubefs/log.h"

struct line {
	gint64 time; /* seconds */
	int errnum;
	guint times; /* how often in a row */
	char *text;
};

struct journal {
	pthread_mutex_t lock;
	GQueue lines; /* of struct line * */
};

struct journal *journal_create(void)
{
	struct journal *journal = g_new0(struct journal, 1);

	pthread_mutex_init(&journal->lock, NULL);
	g_queue_init(&journal->lines);
	return journal;
}

static void line_free(void *pointer)
{
	struct line *line = pointer;

	g_free(line->text);
	g_free(line);
}

void journal_destroy(struct journal *journal)
{
	if (journal == NULL)
		return;
	g_queue_clear_full(&journal->lines, line_free);
	pthread_mutex_destroy(&journal->lock);
	g_free(journal);
}

/* What could move a terminal's cursor or turn its text around (Unicode TR 36). */
static gboolean is_harmful(gunichar c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static char *make_harmless(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	GString *harmless = g_string_new(NULL);

	for (const char *p = valid; *p != '\0' && harmless->len < JOURNAL_LINE_MAX;
		p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		if (is_harmful(c))
			g_string_append_printf(harmless, "\\u%04x", c);
		else
			g_string_append_unichar(harmless, c);
	}
	return g_string_free(harmless, FALSE);
}

static const char *error_name(int errnum)
{
	const char *name = strerrorname_np(errnum);

	return name != NULL ? name : "error";
}

void journal_add(struct journal *journal, int errnum, const char *text)
{
	g_autofree char *harmless = make_harmless(text);
	LOCK_GUARD(&journal->lock);
	struct line *last = g_queue_peek_tail(&journal->lines);
	gint64 now = g_get_real_time() / G_USEC_PER_SEC;

	if (last != NULL && last->errnum == errnum && strcmp(last->text, harmless) == 0) {
		last->times++;
		last->time = now;
		return;
	}
	if (errnum == 0)
		log_info("%s", harmless);
	else
		log_warning("%s: %s", error_name(errnum), harmless);
	last = g_new0(struct line, 1);
	*last = (struct line){now, errnum, 1, g_steal_pointer(&harmless)};
	g_queue_push_tail(&journal->lines, last);
	if (journal->lines.length > JOURNAL_LINES)
		line_free(g_queue_pop_head(&journal->lines));
}

static void append_line(void *data, void *user_data)
{
	const struct line *line = data;
	GString *text = user_data;
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(line->time);
	g_autofree char *stamp = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");

	g_string_append_printf(text, "%s %s %s", stamp,
		line->errnum != 0 ? error_name(line->errnum) : "warning", line->text);
	if (line->times > 1)
		g_string_append_printf(text, " (%u times)", line->times);
	g_string_append_c(text, '\n');
}

GBytes *journal_text(struct journal *journal)
{
	LOCK_GUARD(&journal->lock);
	GString *text = g_string_new(NULL);

	g_queue_foreach(&journal->lines, append_line, text);
	return g_string_free_to_bytes(text);
}
