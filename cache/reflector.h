/*
 * Keeps one scope of a source mirrored: list, watch, resume, relist, back off. The rules are
 * client-go's tools/cache/reflector.go (protocol.md 1 to 10). Knows nothing of who keeps the
 * objects: it tells its handlers.
 *
 * What the source may send as protobuf and cannot be read (cache/protobuf_read.h) is asked for as
 * JSON: the list once more, the watch from the last version that was told. The kind is asked for
 * like that from then on.
 *
 * Everything runs on the strand given at creation; the functions below are called there, too,
 * unless they say otherwise.
 */
#pragma once

#include "cache/admission.h"
#include "cache/protobuf_choice.h"
#include "cache/snapshot.h"
#include "client/loop.h"
#include "client/source.h"

struct reflector;

struct reflector_handlers {
	/* A list begins; what an unfinished one told is void. */
	void (*list_begun)(void *data);
	/*
	 * TRUE when this very version is stored already, or a newer one; a listed one counts as
	 * seen then.
	 */
	snapshot_known known;
	/* The snapshot is the handler's from here on. */
	void (*put)(void *data, struct snapshot *snapshot);
	/* key is the last state of what was deleted. */
	void (*remove)(void *data, const struct snapshot_key *key);
	/*
	 * The list is complete: what it did not name has vanished. version is that of the list, ""
	 * when it has none. latest: it was read from etcd, and not from a cache that may be behind.
	 */
	void (*synced)(void *data, const char *version, gboolean latest);
	/*
	 * A list failed. When one was complete before, the reflector tries again by itself, unless
	 * it may no more list (403, only told once it was said several times); else it rests until
	 * reflector_refresh.
	 */
	void (*failed)(void *data, const struct source_result *result);
	/* The watch is refused: reflector_must_poll has become TRUE. */
	void (*unwatched)(void *data);
	/* The server answered (result NULL), or could not be reached. */
	void (*contact)(void *data, const struct source_result *result);
	/* Something a person should know of, that harms only itself. One line. */
	void (*problem)(void *data, const char *text);
};

struct reflector_options {
	struct source *source;
	struct loop *loop;
	struct strand *strand;
	struct admission *admission;
	struct protobuf_choice *protobuf; /* NULL: JSON alone is asked for */
	const struct source_scope *scope; /* must outlive the reflector's last handler call */
};

struct reflector *reflector_create(const struct reflector_options *options,
	const struct reflector_handlers *handlers, void *data);
struct reflector *reflector_ref(struct reflector *reflector);
struct reflector *reflector_unref(struct reflector *reflector); /* returns NULL; any thread */

/* Lists now unless a list is under way, whatever the state. */
void reflector_refresh(struct reflector *reflector);
/* Lists anew from etcd, once a list under way is over; one that is polled, when it is next. */
void reflector_relist(struct reflector *reflector);
/* The server is back: does now what it waits to do later. */
void reflector_kick(struct reflector *reflector);
/* The connections are thought to be dead: ends the watch, which is then resumed. */
void reflector_reconnect(struct reflector *reflector);
/* After this no handler is called any more, and calls under way are cancelled. */
void reflector_stop(struct reflector *reflector);

/*
 * TRUE when nothing tells of changes: list again when somebody looks. Valid once synced; may change
 * with each list, and before unwatched is called.
 */
gboolean reflector_must_poll(const struct reflector *reflector);
/* All that happened until this version was told, once synced; "" while there is none. */
const char *reflector_version(const struct reflector *reflector);
