/*
 * What the files of a commit share. A commit is a chain of steps on a strand of its own: each ends
 * with a call to the source, a wait or the outcome, and what follows goes on from there.
 *
 *   commit.c          its life: turn, deadline, cancellation, outcome
 *   commit_call.c     calls to the source, and the waits between them
 *   commit_save.c     what the text is and what is there
 *   commit_base.c     what the text was made from
 *   commit_send.c     merging, sending, and conflicts of the version
 *   commit_doubt.c    what became of a change whose answer was lost
 *   commit_scale.c, commit_delete.c
 */
#pragma once

#include <pthread.h>

#include "cache/cache_parts.h"
#include "cache/commit.h"
#include "cache/delay.h"
#include "cache/manifest.h"
#include "cache/merge.h"

/* Memory of one tree: a version of an object. */
#define COMMIT_TREE_MAX (256UL << 20)
/* Of a request's body, in which each byte of the text may have become six. */
#define COMMIT_BODY_MAX (6 * MANIFEST_TEXT_MAX + (1UL << 20))
/* Milliseconds before something is tried again, at first; each time twice as long. */
#define COMMIT_PAUSE_MS 100
#define COMMIT_PAUSE_MAX_MS 3000

enum commit_kind {
	COMMIT_SAVE,
	COMMIT_STATUS,
	COMMIT_SCALE,
	COMMIT_DELETE,
};

/* A version of an object as a tree. */
struct commit_tree {
	struct document *document;
	struct document_node *root;
};

typedef void (*commit_step)(struct commit *commit);
/* snapshot is borrowed; NULL with errnum 0: its answer makes no sense. */
typedef void (*commit_got)(
	struct commit *commit, const struct source_result *result, struct snapshot *snapshot);
typedef void (*commit_got_raw)(
	struct commit *commit, const struct source_result *result, const struct source_item *item);
typedef void (*commit_changed)(struct commit *commit, const struct source_change_result *result);

struct commit {
	gint references;
	struct cache *cache;
	const struct cache_parts *parts;
	struct strand *strand;
	enum commit_kind kind;
	commit_done done;
	void *data;

	/* The request. */
	struct resource *resource;
	char *namespace;
	char *name;
	char *uid; /* of what the writer opened, or NULL */
	char **elsewhere; /* or NULL */
	char *no_create;
	char *no_update;
	GBytes *text;
	GBytes *lineage;
	struct snapshot *stored;
	struct snapshot *victim; /* COMMIT_DELETE */
	gboolean json;
	gboolean resumed; /* its request said uncertain */
	gboolean exclusive;
	gboolean dry_run;

	pthread_mutex_t lock; /* guards the next four */
	int interrupt; /* EINTR, ETIMEDOUT or ESHUTDOWN, 0: none */
	gboolean ended; /* the strand is posted to no more */
	gboolean told; /* a job that looks at interrupt is posted */
	uint64_t deadline; /* a timer */

	/* All below is the strand's. */
	char *object; /* what the queue knows it by */
	char *doubted; /* what the last answer said that left doubt, or NULL */
	char *failure; /* what the last call said that may be worth another try, or NULL */
	gboolean queued;
	gboolean begun;
	guint tries; /* changes sent */
	guint pauses;
	/* What is waited for. */
	struct source_call *call;
	gboolean changing; /* call is a change */
	gboolean waiting; /* for the cache */
	struct delay pause;
	gboolean fresh; /* there is as the server said, and not the cache */
	commit_step after_pause;
	commit_got after_get;
	commit_got_raw after_get_raw;
	commit_changed after_change;
	commit_step after_schema;
	guint schema_epoch;
	gboolean schema_known; /* set is what there is, NULL included */
	struct schema_set *set;
	/* What is there. */
	struct snapshot *there; /* NULL: nothing */
	struct commit_tree theirs; /* of there */
	/* What the writer wants. */
	struct manifest *manifest;
	struct document_node *mine;
	struct commit_tree merged; /* what it belongs to when it was merged with what was stored */
	struct manifest *former; /* lineage */
	struct commit_tree old; /* what base belongs to when it was fetched or stored */
	const struct document_node *base;
	char *base_version; /* "" when base is no version of the object */
	/* What was sent. */
	struct commit_tree sending;
	struct document_node *sent;
	struct snapshot *now; /* what a change in doubt is compared with */
	gboolean doubt; /* a change may have arrived without our knowing */
	int replicas; /* COMMIT_SCALE: as wanted, and as they were seen */
	int replicas_there;
	gboolean settled; /* the outcome is a success, whatever it is told from now on */
	/* The outcome. */
	struct snapshot *result;
	gboolean unchanged;
};

struct commit *commit_ref(struct commit *commit);

/* commit.c */
void commit_begin(struct commit *commit); /* its turn has come; the strand's */
/* The end, once. */
void commit_succeed(struct commit *commit);
void commit_fail(struct commit *commit, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
void commit_fail_error(struct commit *commit, const GError *error);
/* causes may be NULL. Says that it is uncertain when a change is in doubt. */
void commit_fail_result(
	struct commit *commit, const struct source_result *result, const GPtrArray *causes);
/*
 * TRUE, and it has ended, when it was told to end and may: what is on the wire, or may have
 * arrived, is not given up because of EINTR.
 */
gboolean commit_is_over(struct commit *commit);
/* What it was told: EINTR, ETIMEDOUT, ESHUTDOWN or 0. */
int commit_get_interrupt(struct commit *commit);
/* The cache is being stopped. Any thread. */
void commit_stop(struct commit *commit);
/* Shows result, then succeeds. removed: result is what is gone. Not for a dry run. */
void commit_show(struct commit *commit, struct snapshot *result, gboolean removed);

/* commit_call.c */
struct source_scope commit_scope(const struct commit *commit, const char *subresource);
void commit_get(struct commit *commit, commit_got then);
void commit_get_raw(struct commit *commit, const char *subresource, commit_got_raw then);
void commit_get_at(struct commit *commit, const char *version, commit_got then);
/* body may be NULL. Counts as a try. */
void commit_change(struct commit *commit, enum source_verb verb, GBytes *body, const char *uid,
	commit_changed then);
/* then follows once set is what there is. */
void commit_need_schema(struct commit *commit, commit_step then);
const struct schema *commit_schema(const struct commit *commit);
/* Goes on with step after a while that grows. */
void commit_pause(struct commit *commit, commit_step step);
/* The cache will know of there later. */
int commit_look(struct commit *commit, gboolean wait, struct snapshot **ret, GError **error);
/* The strand's: looks whether what is waited for may be given up for what it was told. */
void commit_interrupt_wait(struct commit *commit);
/* Whether it may be worth asking again soon. */
gboolean commit_is_passing(const struct source_result *result);

/* commit_tree.c */
void commit_tree_clear(struct commit_tree *tree);
int commit_tree_read(struct commit_tree *tree, const struct snapshot *snapshot, GError **error);
int commit_tree_merge(struct commit_tree *tree, const struct schema *schema,
	const struct document_node *base, const struct document_node *theirs,
	const struct document_node *mine, unsigned int flags, GError **error);
/* The resourceVersion of the metadata of root, which belongs to document. */
int commit_set_version(
	struct document *document, struct document_node *root, const char *version, GError **error);
int commit_body(const struct document_node *root, GBytes **ret, GError **error);
/* Whether they are the same apart from status and metadata. */
gboolean commit_same_rest(const struct document_node *a, const struct document_node *b);
/* Whether they are the same apart from status and version. */
gboolean commit_same_content(const struct document_node *a, const struct document_node *b);

/* commit_save.c */
void commit_save_begin(struct commit *commit);
/* snapshot is what is there now, or NULL. */
void commit_take_there(struct commit *commit, struct snapshot *snapshot, gboolean fresh);

/* commit_base.c: then commit_send follows, or the end. */
void commit_find_base(struct commit *commit);

/* commit_send.c */
void commit_send(struct commit *commit); /* what mine changed against base, onto theirs */
void commit_create(struct commit *commit);
/* now is what is there instead of there; then commit_send follows. */
void commit_send_again(struct commit *commit, struct snapshot *now);
/*
 * What a get told of the object that there was. TRUE: it has ended, because it is gone or another
 * one, or the answer makes no sense.
 */
gboolean commit_is_gone(
	struct commit *commit, const struct source_result *result, const struct snapshot *snapshot);
void commit_stored(struct commit *commit, const struct source_change_result *result);

/* commit_doubt.c: finds out, then goes on or ends. */
void commit_doubt_update(struct commit *commit);
void commit_doubt_create(struct commit *commit);

/* commit_scale.c */
void commit_scale_begin(struct commit *commit);
/* commit_delete.c */
void commit_delete_begin(struct commit *commit);
