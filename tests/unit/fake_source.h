/*
 * A struct source (client/source.h) that a test drives: calls wait until the test takes and answers
 * them. It holds the cache to its contract: a call after destroy aborts the test.
 */
#pragma once

#include "client/source_call.h"

struct fake_source;

enum fake_kind {
	FAKE_PING,
	FAKE_DISCOVER,
	FAKE_LIST,
	FAKE_WATCH,
	FAKE_GET,
	FAKE_GET_AT,
	FAKE_CHANGE,
	FAKE_SCHEMA,
	FAKE_RULES,
	FAKE_KINDS,
};

/* A call as it was made. */
struct fake_call {
	struct source_call base;
	struct fake_source *source;
	enum fake_kind kind;
	char *resource; /* its name; NULL for pings and discovery */
	char *namespace; /* of the scope, or what rules were asked for; may be NULL */
	char *name;
	char *subresource; /* may be NULL */
	gboolean metadata_only;
	gboolean protobuf;
	enum source_list_from from; /* FAKE_LIST */
	char *version; /* FAKE_LIST, FAKE_WATCH, FAKE_GET_AT; may be NULL */
	gboolean initial; /* FAKE_WATCH */
	/* FAKE_CHANGE */
	enum source_verb verb;
	char *body; /* NULL for a delete */
	char *uid; /* the precondition, or NULL */
	gboolean dry_run;
	struct source_list_handlers list;
	struct source_watch_handlers watch;
	struct source_get_handlers get;
	struct source_change_handlers change;
	struct source_discover_handlers discover;
	void *data;
	struct strand *strand;
	gint64 begun; /* g_get_monotonic_time() */
	gboolean cancelled; /* guarded by the source, as is ended */
	gboolean ended;
};

/* With one reference for the test; the struct source in it is whoever is given it. */
struct fake_source *fake_source_create(void);
void fake_source_unref(struct fake_source *fake);
struct source *fake_source_get(struct fake_source *fake);
/* Whether somebody destroyed the struct source. */
gboolean fake_source_is_destroyed(struct fake_source *fake);

/* 0 until then. */
void fake_source_set_minor(struct fake_source *fake, unsigned int minor);
void fake_source_set_watch_list(struct fake_source *fake, gboolean has);
/* Calls of that kind are answered by function at once; it must end them. NULL: they wait. */
void fake_source_answer(struct fake_source *fake, enum fake_kind kind,
	void (*function)(void *data, struct fake_call *call), void *data);

/* The next call of that kind, which the caller must end or drop. Fails after 30 s without one. */
struct fake_call *fake_take(struct fake_source *fake, enum fake_kind kind);
/* As fake_take, or NULL when none came within the milliseconds; a later one stays. */
struct fake_call *fake_take_within(
	struct fake_source *fake, enum fake_kind kind, unsigned int milliseconds);
/* How many were ever made. */
unsigned int fake_count(struct fake_source *fake, enum fake_kind kind);
/* How many are under way, taken or not, and the most that ever were. */
unsigned int fake_active(struct fake_source *fake, enum fake_kind kind);
unsigned int fake_most(struct fake_source *fake, enum fake_kind kind);

/* All of these queue on the call's strand, in order, and do nothing once the call has ended. */
void fake_opened(struct fake_call *call);
void fake_restart(struct fake_call *call);
void fake_item(struct fake_call *call, const char *json);
void fake_event(struct fake_call *call, enum source_event event, const char *json);
/* The same with protobuf of that kind; message is taken over. */
void fake_protobuf_item(struct fake_call *call, const char *kind, GByteArray *message);
void fake_protobuf_event(
	struct fake_call *call, enum source_event event, const char *kind, GByteArray *message);

/* The end; gives the call back. version is a list's; catalog is taken over. */
void fake_done(struct fake_call *call, const char *version);
/* FAKE_GET, FAKE_GET_AT, FAKE_SCHEMA, FAKE_RULES; FAKE_CHANGE, where json may be NULL. */
void fake_done_item(struct fake_call *call, const char *json);
void fake_discovered(struct fake_call *call, struct source_catalog *catalog);
/* reason may be NULL. status 0: the server could not be reached. 410 counts as expired. */
void fake_fail(struct fake_call *call, int errnum, int status);
void fake_fail_result(struct fake_call *call, const struct source_result *result);

/* How a change ends. */
struct fake_reply {
	int errnum; /* 0: success */
	int status; /* 0: 200, or that the server could not be reached */
	const char *reason; /* may be NULL */
	const char *message; /* may be NULL */
	const char *const *causes; /* NULL-terminated, or NULL */
	gboolean uncertain;
	const char *json; /* the object, or NULL */
};

/* Ends a FAKE_CHANGE; gives the call back. A cancelled one ends as uncertain. */
void fake_reply(struct fake_call *call, const struct fake_reply *reply);
/*
 * The next change that has none is replied to like this, at once. What it asked for can still be
 * read from fake_change. reply is copied.
 */
void fake_source_reply(struct fake_source *fake, const struct fake_reply *reply);
/* The change that was made as number index from 0, replied to or not; borrowed from the source. */
const struct fake_call *fake_change(struct fake_source *fake, unsigned int index);

/* The server sends a Warning header. Does nothing once the struct source is destroyed. */
void fake_warn(struct fake_source *fake, const char *text);

/* Gives the call back, which goes on; only its owner can end it. */
void fake_drop(struct fake_call *call);

/* "apps/v1 deployments Deployment": group "" for "v1". All verbs; g_free nothing: counted. */
struct resource *fake_resource(
	const char *group, const char *version, const char *plural, const char *kind);
struct source_catalog *fake_catalog(struct resource *first, ...) G_GNUC_NULL_TERMINATED;

/* JSON of an object; namespace may be NULL. extra: more members, as ",\"spec\":{}", or "". g_free.
 */
char *fake_object(const char *namespace, const char *name, const char *version, const char *extra);
