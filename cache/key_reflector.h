/*
 * Keeps one directory of keys mirrored: load (cache/key_loader.h), then watch where that is wanted,
 * load anew as a diff when the watch has lost its place, back off. Knows nothing of who keeps the
 * keys: it tells its handlers. Everything runs on the strand given at creation; the functions below
 * are called there, too, unless they say otherwise.
 */
#pragma once

#include "cache/admission.h"
#include "cache/key_scope.h"
#include "client/loop.h"

struct key_reflector;

struct key_reflector_handlers {
	/*
	 * A load begins; what an unfinished one told is void. went_back: the store is that of an
	 * older time, in which revisions mean something else: nothing that is known still holds.
	 */
	void (*load_begun)(void *data, gboolean went_back);
	/* As those of cache/key_loader.h. */
	void (*directory)(void *data, const char *name, size_t length);
	gboolean (*known)(void *data, const char *name, size_t length, const struct etcd_kv *kv);
	void (*key)(void *data, const char *name, size_t length, const struct etcd_kv *kv);
	/*
	 * The load is complete. TRUE: it is to be kept true by a watch; FALSE: the reflector rests
	 * until key_reflector_refresh.
	 */
	gboolean (*loaded)(void *data, int64_t revision);
	/*
	 * A load failed. When a watch was wanted before, the reflector tries again by itself unless
	 * it may no more read (EACCES); else it rests.
	 */
	void (*failed)(void *data, const struct etcd_result *result);
	/* Of any key below the scope's prefix, also of those in subdirectories; perhaps twice. */
	void (*event)(void *data, enum etcd_event event, const struct etcd_kv *kv);
	/* The server answered (result NULL), or a call ended like this. */
	void (*contact)(void *data, const struct etcd_result *result);
};

struct key_reflector_options {
	struct etcd_client *client;
	struct loop *loop;
	struct strand *strand;
	struct admission *admission;
	const struct key_scope *scope; /* must outlive the reflector */
	int64_t expected; /* key_loader_start, for the first load */
};

struct key_reflector *key_reflector_create(const struct key_reflector_options *options,
	const struct key_reflector_handlers *handlers, void *data);
struct key_reflector *key_reflector_ref(struct key_reflector *reflector);
/* Returns NULL; NULL is fine. Any thread. */
struct key_reflector *key_reflector_unref(struct key_reflector *reflector);

/* Loads now unless a load is under way. */
void key_reflector_refresh(struct key_reflector *reflector);
/* The server is back: does now what it waits to do later. */
void key_reflector_kick(struct key_reflector *reflector);
/* The connections are thought to be dead: ends the watches, which are then resumed. */
void key_reflector_reconnect(struct key_reflector *reflector);
/* The watch costs more than it is worth: it ends, and the reflector rests. */
void key_reflector_unwatch(struct key_reflector *reflector);
/* After this no handler is called any more, and calls under way are cancelled. */
void key_reflector_stop(struct key_reflector *reflector);
