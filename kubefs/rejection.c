#include "kubefs/rejection.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client/escape.h"
#include "kubefs/attributes.h"

#define FIRST_LINE "# kubefs: not saved: "
#define LAST_LINE "# kubefs: the text follows\n"
#define SUFFIX ".rejected"
#define CUT 200 /* bytes of a name that is too long with the suffix */

char *rejection_locate(const struct place *place, char **ret_name)
{
	g_autofree char *name = NULL;
	char *directory = place_directory_of(place, &name);
	g_autofree char *checksum = NULL;

	if (strlen(name) <= NAME_MAX - strlen(SUFFIX)) {
		*ret_name = g_strconcat(name, SUFFIX, NULL);
		return directory;
	}
	/* So that names that begin alike stay apart. */
	checksum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
	*ret_name = g_strdup_printf("%.*s~%.8s" SUFFIX, CUT, name, checksum);
	return directory;
}

static void append_reason(GString *text, const char *reason)
{
	g_autofree char *line = escape_text(reason, -1);

	g_string_append_printf(text, "#   %s\n", line);
}

static GBytes *compose(const struct place *place, GBytes *text, int errnum, const char *message,
	const GPtrArray *reasons)
{
	GString *whole = g_string_new(FIRST_LINE);
	g_autoptr(GBytes) bare = rejection_strip(text);
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *stamp = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
	g_autofree char *name = NULL;
	g_autofree char *directory = place_directory_of(place, &name);
	const char *error = strerrorname_np(errnum);

	g_string_append_printf(whole, "%s at %s\n", error != NULL ? error : "error", stamp);
	append_reason(whole, message);
	for (guint i = 0; reasons != NULL && i < reasons->len; i++)
		append_reason(whole, g_ptr_array_index(reasons, i));
	g_string_append_printf(whole,
		"# Save this file, or rename it to %s, to try again; remove it to give up.\n",
		name);
	g_string_append(whole, LAST_LINE);
	g_string_append_len(whole, g_bytes_get_data(bare, NULL), (gssize)g_bytes_get_size(bare));
	return g_string_free_to_bytes(whole);
}

static gboolean begins(const char *bytes, const char *end, const char *line)
{
	return (size_t)(end - bytes) >= strlen(line) && memcmp(bytes, line, strlen(line)) == 0;
}

GBytes *rejection_strip(GBytes *text)
{
	size_t length;
	const char *bytes = g_bytes_get_data(text, &length);
	const char *end = bytes + length;
	const char *line = bytes;

	if (length == 0 || !begins(line, end, FIRST_LINE))
		return g_bytes_ref(text);
	/* No further than there are comments: what follows is the user's. */
	while (line < end && *line == '#' && !begins(line, end, LAST_LINE)) {
		line = memchr(line, '\n', (size_t)(end - line));
		if (line == NULL)
			return g_bytes_ref(text);
		line++;
	}
	if (!begins(line, end, LAST_LINE))
		return g_bytes_ref(text);
	line += strlen(LAST_LINE);
	return g_bytes_new_from_bytes(text, (size_t)(line - bytes), (size_t)(end - line));
}

static void tell_listing(struct filesystem *filesystem, const struct place *place, const char *name)
{
	uint64_t directory = place_directory_id(filesystem->nodes, place);

	if (directory == 0)
		return;
	notifier_entry(filesystem->notifier, directory, name);
	notifier_listing(filesystem->notifier, directory);
}

/* In one line: what the server said of Secrets is in the reasons alone. */
static char *join(const char *message, const GPtrArray *reasons)
{
	GString *line = g_string_new(message);

	for (guint i = 0; reasons != NULL && i < reasons->len; i++) {
		const char *reason = g_ptr_array_index(reasons, i);

		if (strstr(message, reason) == NULL)
			g_string_append_printf(line, "; %s", reason);
	}
	return g_string_free(line, FALSE);
}

void rejection_keep(struct filesystem *filesystem, const struct place *place, GBytes *text,
	int errnum, const char *message, const GPtrArray *reasons)
{
	g_autofree char *name = NULL;
	g_autofree char *directory = rejection_locate(place, &name);
	g_autofree char *path = place_path(place);
	g_autofree char *reason = join(message, reasons);
	g_autofree char *line = g_strdup_printf("%s: %s", path, reason);
	g_autofree char *evicted = NULL;
	struct rejected *rejected = g_new0(struct rejected, 1);

	rejected->references = 1;
	place_copy(&rejected->place, place);
	rejected->errnum = errnum;
	rejected->reason = escape_text(reason, -1);
	rejected->text = compose(place, text, errnum, message, reasons);
	rejected->mode = attributes_mode_of_draft(place->resource);
	clock_gettime(CLOCK_REALTIME, &rejected->time);
	rejected->inode = attributes_inode_of_draft(filesystem, place) ^ (1ULL << 61);
	journal_add(filesystem->journal, errnum, line);
	evicted = overlay_reject(filesystem->overlay, directory, name, rejected);
	if (evicted != NULL) {
		g_autofree char *loss =
			g_strdup_printf("%s: the refused text made room for newer ones", evicted);

		journal_add(filesystem->journal, 0, loss);
	}
	tell_listing(filesystem, place, name);
}

static gboolean is_of_text(const struct rejected *rejected, GBytes *text)
{
	g_autoptr(GBytes) now = rejection_strip(text);
	g_autoptr(GBytes) then = rejection_strip(rejected->text);

	return g_bytes_equal(now, then);
}

void rejection_clear(
	struct filesystem *filesystem, const struct place *place, GBytes *text, gboolean unchanged)
{
	g_autofree char *name = NULL;
	g_autofree char *directory = rejection_locate(place, &name);
	/* A scratch file of that name is somebody's own. */
	struct rejected *rejected = rejection_find(filesystem, place);

	if (rejected != NULL && (!unchanged || is_of_text(rejected, text)) &&
		overlay_remove(filesystem->overlay, directory, name, NULL))
		tell_listing(filesystem, place, name);
	rejected_unref(rejected);
}

struct rejected *rejection_find(struct filesystem *filesystem, const struct place *place)
{
	g_autofree char *name = NULL;
	g_autofree char *directory = rejection_locate(place, &name);
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};

	if (!overlay_find(filesystem->overlay, directory, name, &entry))
		return NULL;
	return g_steal_pointer(&entry.rejected);
}
