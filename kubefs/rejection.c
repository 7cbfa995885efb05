#include "kubefs/rejection.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client/escape.h"
#include "kubefs/attributes.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_place.h"

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

/* Of a key the text is any bytes, exactly these: the reason stands elsewhere. */
static GBytes *strip(const struct place *place, GBytes *text)
{
	return place->kind == PLACE_KEY ? g_bytes_ref(text) : rejection_strip(text);
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

/* What stands under that number's name; FALSE: nothing. */
static gboolean look(struct filesystem *filesystem, const struct place *place, guint number,
	struct overlay_entry *ret)
{
	g_autofree char *name = NULL;
	g_autofree char *directory = locate(place, number, &name);

	return overlay_find(filesystem->overlay, directory, name, ret);
}

static struct rejected *find(struct filesystem *filesystem, const struct place *place, guint number)
{
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};

	if (!look(filesystem, place, number, &entry))
		return NULL;
	return g_steal_pointer(&entry.rejected);
}

/* Whether there is a key of that name. */
static gboolean is_key(const struct place *place, guint number)
{
	struct place there PLACE_CLEANUP = {0};
	struct node_key directory = {.kind = NODE_KEYS};
	g_autofree char *name = NULL;

	if (place->kind != PLACE_KEY)
		return FALSE;
	g_free(locate(place, number, &name));
	directory.prefix = place->scope.prefix;
	directory.slashless = place->scope.slashless;
	return key_place_of_name(place->filesystem, &directory, name, &there) &&
	       key_place_peek(&there);
}

/* From that number on, the first one that is no file of its user's. */
static guint skip_files(struct filesystem *filesystem, const struct place *place, guint number)
{
	for (;; number++) {
		struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};

		if (is_key(place, number))
			continue;
		if (!look(filesystem, place, number, &entry) || entry.local == NULL)
			return number;
	}
}

/* Takes over rejected. Under that number or, where a file has come to be, a later one. */
static void put(struct filesystem *filesystem, guint number, struct rejected *rejected)
{
	const struct place *place = &rejected->place;
	g_autofree char *evicted = NULL;
	gboolean kept;

	do {
		g_autofree char *directory = NULL;

		number = skip_files(filesystem, place, number);
		g_free(rejected->name);
		directory = locate(place, number, &rejected->name);
		kept = overlay_reject(
			filesystem->overlay, directory, rejected->name, rejected, &evicted);
	} while (!kept);
	if (evicted != NULL) {
		g_autofree char *loss =
			g_strdup_printf("%s: the refused text made room for newer ones", evicted);

		journal_add(filesystem->journal, 0, loss);
	}
	if (place->kind == PLACE_KEY) {
		const struct node_key key = key_layout_directory(&place->scope, "");

		key_directories_keep(filesystem, &key, TRUE);
	}
	tell_listing(filesystem, place, rejected->name);
	rejected_unref(rejected);
}

struct rejected *rejection_find(struct filesystem *filesystem, const struct place *place)
{
	return find(filesystem, place, skip_files(filesystem, place, 0));
}

static gboolean is_of_text(struct filesystem *filesystem, const struct place *place, GBytes *text)
{
	struct rejected *rejected = rejection_find(filesystem, place);
	g_autoptr(GBytes) now = strip(place, text);
	g_autoptr(GBytes) then = NULL;

	if (rejected == NULL)
		return FALSE;
	then = strip(place, rejected->text);
	rejected_unref(rejected);
	return g_bytes_equal(now, then);
}

static void tell_loss(struct filesystem *filesystem, const struct place *place)
{
	g_autofree char *path = place_path(place);
	g_autofree char *text =
		g_strdup_printf("%s: too many refused texts: one made room for a newer one", path);

	journal_add(filesystem->journal, 0, text);
}

/*
 * Where one more text goes behind that number: the first name that is free, or that of the last
 * text that there may be, which is lost then.
 */
static guint find_room(struct filesystem *filesystem, const struct place *place, guint number)
{
	for (guint texts = 2;; texts++) {
		struct rejected *there;

		number = skip_files(filesystem, place, number + 1);
		there = find(filesystem, place, number);
		if (there == NULL)
			return number;
		rejected_unref(there);
		if (texts == REJECTION_TEXTS) {
			tell_loss(filesystem, place);
			return number;
		}
	}
}

/* What somebody else has typed is not lost to a newer text. */
static void set_aside(struct filesystem *filesystem, const struct place *place, guint number,
	const struct process *writer)
{
	struct rejected *there = find(filesystem, place, number);
	struct rejected *copy;

	if (there != NULL && !process_same(there->writer, writer)) {
		copy = g_new(struct rejected, 1);
		*copy = (struct rejected){
			.references = 1,
			.writer = there->writer != NULL ? process_ref(there->writer) : NULL,
			.errnum = there->errnum,
			.reason = g_strdup(there->reason),
			.text = g_bytes_ref(there->text),
			.mode = there->mode,
			.time = there->time,
			.kept = there->kept,
			.inode = there->inode + 1,
		};
		place_copy(&copy->place, &there->place);
		put(filesystem, find_room(filesystem, place, number), copy);
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
	guint number = skip_files(filesystem, place, 0);

	rejected->references = 1;
	place_copy(&rejected->place, place);
	rejected->writer = writer != NULL ? process_ref(writer) : NULL;
	rejected->errnum = errnum;
	rejected->reason = escape_text(reason, -1);
	rejected->text = place->kind == PLACE_KEY ? g_bytes_ref(text)
						  : compose(place, text, errnum, message, reasons);
	/* What others see is what was saved (-o allow_other). */
	rejected->mode = 0600;
	clock_gettime(CLOCK_REALTIME, &rejected->time);
	rejected->kept = g_get_monotonic_time();
	rejected->inode = attributes_inode_of_draft(filesystem, place) ^ (1ULL << 61);
	journal_add(filesystem->journal, errnum, line);
	if (!is_of_text(filesystem, place, text))
		set_aside(filesystem, place, number, writer);
	put(filesystem, number, rejected);
}

static void clear(struct filesystem *filesystem, const struct place *place, gint64 begun)
{
	guint number = 0;

	/* There may be holes where one was removed. */
	for (guint texts = 0; texts < REJECTION_TEXTS; texts++, number++) {
		g_autofree char *name = NULL;
		g_autofree char *directory = NULL;
		struct rejected *there;

		number = skip_files(filesystem, place, number);
		directory = locate(place, number, &name);
		there = find(filesystem, place, number);
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
