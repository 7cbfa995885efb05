/*
 * What the cache knows of a server: one small interface with an implementation per server kind.
 * Everything is asynchronous; handlers run on the strand given with each call, in order.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "client/strand.h"

/* A kind of object that the server has, as discovery tells. Immutable, reference-counted. */
struct resource {
	char *group; /* "" is the core group */
	char *version; /* the group's preferred version that has it */
	char *plural; /* "deployments" */
	char *singular; /* "deployment", may be "" */
	char *kind; /* "Deployment" */
	char **short_names; /* NULL-terminated */
	char **categories; /* NULL-terminated */
	char *name; /* as kubectl api-resources -o name spells it: "deployments.apps" */
	gboolean namespaced;
	gboolean can_list;
	gboolean can_watch;
	gboolean can_get;
	gboolean can_update;
	gboolean can_create;
	gboolean can_delete;
	gboolean has_status; /* the subresources that exist */
	gboolean has_scale;
	gint references;
};

struct source;

struct resource *resource_ref(struct resource *resource);
struct resource *resource_unref(struct resource *resource); /* returns NULL; NULL is fine */
gboolean resource_equal(const struct resource *a, const struct resource *b);

/* What to list, watch or get: a resource in all namespaces, in one, or one object of it by name. */
struct source_scope {
	struct resource *resource;
	const char *namespace; /* NULL: all namespaces, or cluster-scoped */
	const char *name; /* NULL: all; else fieldSelector metadata.name=NAME */
	gboolean metadata_only; /* PartialObjectMetadata will do */
	/*
	 * list and watch: protobuf is asked for, which whoever asks can read; a server that has it
	 * not sends JSON all the same.
	 */
	gboolean protobuf;
	const char *subresource; /* get and change: NULL, "status" or "scale"; needs name */
};

/* How a call ended. errnum is 0 or a positive errno; strings are valid during the call. */
struct source_result {
	int errnum;
	int status; /* HTTP status, 0 when none */
	const char *reason; /* Status.reason: "Expired", "Forbidden", ... or "" */
	const char *message; /* one line for a person */
	unsigned int retry_after; /* milliseconds */
	gboolean expired; /* the version is too old (410) or too new: list afresh */
	gboolean unreadable; /* what came as protobuf cannot be read: ask for JSON */
	const char *version; /* list: the collection's version to watch from; else NULL */
};

enum source_event {
	SOURCE_ADDED,
	SOURCE_MODIFIED,
	SOURCE_DELETED,
	SOURCE_BOOKMARK, /* the item is the object that carries only the version */
	SOURCE_SYNCED, /* the bookmark that ends the initial events of a WatchList stream */
};

/*
 * item: one object of a list or event as JSON text, valid during the call; api_version and kind are
 * what it must be given when it lacks them (the items of typed lists do). Where protobuf was asked
 * for, it may be a protobuf message of that kind instead, which always lacks them.
 */
struct source_item {
	const char *json; /* NULL: it is protobuf */
	const char *protobuf; /* NULL: it is JSON */
	size_t length;
	const char *api_version;
	const char *kind;
};

struct source_list_handlers {
	void (*item)(void *data, const struct source_item *item);
	/* Everything that came so far is void: the list begins again (410 on a later page). */
	void (*restart)(void *data);
	void (*done)(void *data, const struct source_result *result);
};

struct source_watch_handlers {
	void (*opened)(void *data); /* the server accepted the watch */
	void (*event)(void *data, enum source_event event, const struct source_item *item);
	void (*done)(void *data, const struct source_result *result);
};

struct source_get_handlers {
	/* Exactly one call. On success json holds the object, owned by the callee's caller. */
	void (*done)(
		void *data, const struct source_result *result, const struct source_item *item);
};

enum source_verb {
	SOURCE_CREATE,
	SOURCE_UPDATE,
	SOURCE_DELETE,
};

/*
 * One change of one object. Sent once: after a network error it may or may not have arrived
 * (source_change_result.uncertain), and whoever asked finds that out (protocol.md 14).
 */
struct source_change {
	enum source_verb verb;
	const struct source_scope *scope; /* name: not needed by SOURCE_CREATE */
	GBytes *body; /* the object as JSON; NULL for SOURCE_DELETE */
	const char *uid; /* SOURCE_DELETE: the precondition, or NULL */
	gboolean dry_run; /* dryRun=All */
};

/* Valid during the call. */
struct source_change_result {
	struct source_result result;
	/*
	 * What Status.details.causes says: of char *, one line each, "spec.replicas: Invalid value:
	 * ..."; escaped; empty when there are none. For Secrets: fields and kinds of error alone,
	 * no text in which the server may repeat a value (result.message likewise).
	 */
	const GPtrArray *causes;
	gboolean uncertain; /* failed, but it may have arrived */
	/* The object as stored; of a dry run, as it would be. NULL on failure, and for a delete
	 * that left nothing (an object with finalizers comes back, terminating). */
	const struct source_item *item;
};

struct source_change_handlers {
	/* Exactly one call. */
	void (*done)(void *data, const struct source_change_result *result);
};

/* What a server has. partial lists the groups that could not be asked, one line each. */
struct source_catalog {
	GPtrArray *resources; /* of struct resource *, owned; each name once */
	GPtrArray *partial; /* of char *: "metrics.k8s.io/v1beta1: 503 ..." */
};

struct source_discover_handlers {
	/* catalog is the callee's to keep when result->errnum is 0, else NULL. */
	void (*done)(
		void *data, const struct source_result *result, struct source_catalog *catalog);
};

void source_catalog_free(struct source_catalog *catalog);

/* A call under way. done always comes, exactly once, also after source_cancel (ECANCELED). */
struct source_call;

enum source_list_from {
	SOURCE_LIST_CACHE, /* first list: resourceVersion=0, from the server's cache */
	SOURCE_LIST_KNOWN, /* relist: at the last known version or newer */
	SOURCE_LIST_LATEST, /* after 410 or "too large resource version": with an empty version */
};

struct source_ops {
	void (*destroy)(struct source *source);
	/* Asks for the server's version string, for tests of reachability and credentials. */
	struct source_call *(*ping)(struct source *source,
		const struct source_get_handlers *handlers, void *data, struct strand *strand);
	struct source_call *(*discover)(struct source *source,
		const struct source_discover_handlers *handlers, void *data, struct strand *strand);
	struct source_call *(*list)(struct source *source, const struct source_scope *scope,
		enum source_list_from from, const char *known_version,
		const struct source_list_handlers *handlers, void *data, struct strand *strand);
	/*
	 * version: where to go on from. NULL with initial: a WatchList stream, whose first events
	 * are the present state and end with SOURCE_SYNCED.
	 */
	struct source_call *(*watch)(struct source *source, const struct source_scope *scope,
		const char *version, gboolean initial, const struct source_watch_handlers *handlers,
		void *data, struct strand *strand);
	/* scope->name must be set. */
	struct source_call *(*get)(struct source *source, const struct source_scope *scope,
		const struct source_get_handlers *handlers, void *data, struct strand *strand);
	/*
	 * The object of scope as it was at that version, exactly: ENOENT when it was not there,
	 * result->expired when the server knows that version no more.
	 */
	struct source_call *(*get_at)(struct source *source, const struct source_scope *scope,
		const char *version, const struct source_get_handlers *handlers, void *data,
		struct strand *strand);
	/*
	 * Creates, updates (PUT, guarded by the resourceVersion in body) or deletes (background
	 * propagation), with fieldValidation=Strict and fieldManager=kubefs.
	 */
	struct source_call *(*change)(struct source *source, const struct source_change *change,
		const struct source_change_handlers *handlers, void *data, struct strand *strand);
	/* The OpenAPI v3 document of the resource's group and version. */
	struct source_call *(*schema)(struct source *source, const struct resource *resource,
		const struct source_get_handlers *handlers, void *data, struct strand *strand);
	/*
	 * From now on the server's Warning headers go to warning, escaped, one line, on any strand:
	 * those of reads once each, those of changes each time. Before the first call; NULL for
	 * none.
	 */
	void (*on_warning)(
		struct source *source, void (*warning)(void *data, const char *text), void *data);
	/* What the caller may do: POST of a SelfSubjectRulesReview for the namespace. */
	struct source_call *(*rules)(struct source *source, const char *namespace,
		const struct source_get_handlers *handlers, void *data, struct strand *strand);
	/* Whether a WatchList stream is worth trying (the server's version has it). */
	gboolean (*has_watch_list)(struct source *source);
	/* N of the server's version 1.N, 0 while it is not known. */
	unsigned int (*minor)(struct source *source);
	/* Where the server is, for messages: "https://10.0.0.1:6443". */
	const char *(*where)(struct source *source);
};

/* Implementations embed this first. */
struct source {
	const struct source_ops *ops;
};

/* Ends the call soon; done still comes. Any thread. */
void source_cancel(struct source_call *call);
struct source_call *source_call_unref(struct source_call *call); /* returns NULL; NULL is fine */
