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

/* The directory and the name of the place's refused text of that number. */
static char *locate(const struct place *place, guint number, char **ret_name)
{
	g_autofree char *name = NULL;
	g_autofree char *suffix =
		number == 0 ? g_strdup(SUFFIX) : g_strdup_printf(SUFFIX ".%u", number);
	char *directory = place_directory_of(place, &name);
	g_autofree char *checksum = NULL;

	if (strlen(name) <= NAME_MAX - strlen(suffix)) {
		*ret_name = g_strconcat(name, suffix, NULL);
		return directory;
	}
	/* So that names that begin alike stay apart. */
	checksum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
	*ret_name = g_strdup_printf("%.*s~%.8s%s", CUT, name, checksum, suffix);
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
	const char *error = strerrorname_np(errnum);

	g_free(place_directory_of(place, &name));
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

/* Takes over rejected. */
static void put(struct filesystem *filesystem, guint number, struct rejected *rejected)
{
	const struct place *place = &rejected->place;
	g_autofree char *directory = locate(place, number, &rejected->name);
	g_autofree char *evicted = NULL;

	/* It may be gone before it is told of. */
	rejected_ref(rejected);
	evicted = overlay_reject(filesystem->overlay, directory, rejected->name, rejected);
	if (evicted != NULL) {
		g_autofree char *loss =
			g_strdup_printf("%s: the refused text made room for newer ones", evicted);

		journal_add(filesystem->journal, 0, loss);
	}
	tell_listing(filesystem, place, rejected->name);
	rejected_unref(rejected);
}

static struct rejected *find(struct filesystem *filesystem, const struct place *place, guint number)
{
	g_autofree char *name = NULL;
	g_autofree char *directory = locate(place, number, &name);
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};

	if (!overlay_find(filesystem->overlay, directory, name, &entry))
		return NULL;
	return g_steal_pointer(&entry.rejected);
}

static gboolean is_of_text(struct filesystem *filesystem, const struct place *place, GBytes *text)
{
	struct rejected *rejected = find(filesystem, place, 0);
	g_autoptr(GBytes) now = rejection_strip(text);
	g_autoptr(GBytes) then = NULL;

	if (rejected == NULL)
		return FALSE;
	then = rejection_strip(rejected->text);
	rejected_unref(rejected);
	return g_bytes_equal(now, then);
}

/* The first number that is free, or the last one. */
static guint find_free(struct filesystem *filesystem, const struct place *place)
{
	guint number = 1;

	for (; number < REJECTION_TEXTS - 1; number++) {
		struct rejected *there = find(filesystem, place, number);

		if (there == NULL)
			break;
		rejected_unref(there);
	}
	return number;
}

/* The last number may be taken. */
static void tell_loss(struct filesystem *filesystem, const struct place *place)
{
	struct rejected *there = find(filesystem, place, REJECTION_TEXTS - 1);
	g_autofree char *path = place_path(place);
	g_autofree char *text =
		g_strdup_printf("%s: too many refused texts: one made room for a newer one", path);

	if (there != NULL)
		journal_add(filesystem->journal, 0, text);
	rejected_unref(there);
}

/* What somebody else has typed is not lost to a newer text. */
static void set_aside(
	struct filesystem *filesystem, const struct place *place, const struct process *writer)
{
	struct rejected *there = find(filesystem, place, 0);
	struct rejected *copy;
	guint number;

	if (there != NULL && !process_same(there->writer, writer)) {
		copy = g_new0(struct rejected, 1);
		*copy = *there;
		copy->references = 1;
		place_copy(&copy->place, &there->place);
		copy->writer = there->writer != NULL ? process_ref(there->writer) : NULL;
		copy->reason = g_strdup(there->reason);
		copy->text = g_bytes_ref(there->text);
		copy->inode = there->inode + 1;
		number = find_free(filesystem, place);
		if (number == REJECTION_TEXTS - 1)
			tell_loss(filesystem, place);
		put(filesystem, number, copy);
	}
	rejected_unref(there);
}

void rejection_keep(struct filesystem *filesystem, const struct place *place, GBytes *text,
	struct process *writer, int errnum, const char *message, const GPtrArray *reasons)
{
	g_autofree char *path = place_path(place);
	g_autofree char *reason = join(message, reasons);
	g_autofree char *line = g_strdup_printf("%s: %s", path, reason);
	struct rejected *rejected = g_new0(struct rejected, 1);

	rejected->references = 1;
	place_copy(&rejected->place, place);
	rejected->writer = writer != NULL ? process_ref(writer) : NULL;
	rejected->errnum = errnum;
	rejected->reason = escape_text(reason, -1);
	rejected->text = compose(place, text, errnum, message, reasons);
	/* What others see is what was saved (-o allow_other). */
	rejected->mode = 0600;
	clock_gettime(CLOCK_REALTIME, &rejected->time);
	rejected->kept = g_get_monotonic_time();
	rejected->inode = attributes_inode_of_draft(filesystem, place) ^ (1ULL << 61);
	journal_add(filesystem->journal, errnum, line);
	if (!is_of_text(filesystem, place, text))
		set_aside(filesystem, place, writer);
	put(filesystem, 0, rejected);
}

static void clear(struct filesystem *filesystem, const struct place *place, gint64 begun)
{
	for (guint number = 0; number < REJECTION_TEXTS; number++) {
		g_autofree char *name = NULL;
		g_autofree char *directory = locate(place, number, &name);
		struct rejected *there = find(filesystem, place, number);

		/* A scratch file of that name is its user's. */
		if (there != NULL && there->kept <= begun &&
			place_same_object(&there->place, place) &&
			overlay_remove(filesystem->overlay, directory, name, NULL))
			tell_listing(filesystem, place, name);
		rejected_unref(there);
	}
}

void rejection_clear(struct filesystem *filesystem, const struct place *place, GBytes *text,
	gboolean unchanged, gint64 begun)
{
	struct place form = *place;

	if (unchanged && !is_of_text(filesystem, place, text))
		return;
	for (guint format = 0; format < NODE_FORMATS; format++) {
		form.format = (enum node_format)format;
		clear(filesystem, &form, begun);
		if (place->kind != PLACE_OBJECT)
			break;
	}
}

struct rejected *rejection_find(struct filesystem *filesystem, const struct place *place)
{
	return find(filesystem, place, 0);
}
