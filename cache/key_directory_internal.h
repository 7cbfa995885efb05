/*
 * What the files of a directory of keys share.
 *
 *   key_directory.c         its life, and what any thread asks of it
 *   key_directory_update.c  what loads and events tell: the reflector's handlers
 *   key_directory_check.c   whether anything is left below a name
 *   key_directory_apply.c   changes of ours
 */
#pragma once

#include <pthread.h>

#include "cache/delay.h"
#include "cache/key_applied.h"
#include "cache/key_directory.h"

enum key_directory_state {
	KEY_DIRECTORY_NEW, /* nobody looked yet, or not since the server is back */
	KEY_DIRECTORY_LOADING, /* the first load is under way */
	KEY_DIRECTORY_READY, /* what there is can be shown */
	KEY_DIRECTORY_FAILED, /* the first load failed */
};

/* Whether anything is left below a name. On the strand. */
struct key_directory_check {
	GHashTable *names; /* set of GBytes: what is still to be asked */
	GBytes *name; /* asked for now */
	struct etcd_call *call;
	int64_t put; /* the last revision that put something below it meanwhile */
	gboolean found;
};

struct key_directory {
	gint references;
	struct key_scope scope;
	struct key_directory_options options;
	struct strand *strand;
	struct key_reflector *reflector;
	/* The strand's. */
	struct key_directory_check check;
	struct delay patience; /* with a load anew */
	struct key_applied *applied; /* a directory's name with a '/' behind it */
	GPtrArray *unsure; /* of struct application *: until nothing is asked for any more */
	uint64_t noise; /* bytes from below since the watch began */
	uint64_t watched; /* loop_now() then */
	uint64_t quiet; /* loop_now() until which it is not watched */
	gboolean has_watch;
	gboolean went_back;
	gboolean ended;
	pthread_mutex_t lock; /* guards all below */
	struct key_children *children;
	enum key_directory_state state;
	gboolean refreshing; /* a load is under way that somebody waits for */
	gboolean overdue; /* for so long that nobody does any more */
	gboolean must_poll;
	gboolean stopped;
	uint64_t loaded; /* loop_now() of the last load that ended, however */
	uint64_t looked;
	int64_t revision;
	struct timespec changed;
	int errnum;
	char *message;
	struct waiters waiters;
};

/* key_directory_update.c; all on the strand. */
extern const struct key_reflector_handlers key_directory_reflector_handlers;
/* What a name is made. Takes over snapshot. */
void key_directory_set_child(struct key_directory *directory, const char *name, size_t length,
	struct key_snapshot *snapshot, gboolean is_directory);
/* What is there now; the snapshot is the caller's reference. Only the strand changes it. */
struct key_snapshot *key_directory_get_child(
	struct key_directory *directory, const char *name, size_t length, gboolean *ret_directory);
/* Whether anything stands below a name. */
void key_directory_set_below(
	struct key_directory *directory, const char *name, size_t length, gboolean is_directory);
/* The load has ended. */
void key_directory_end_patience(struct key_directory *directory);
void key_directory_give_watch_back(struct key_directory *directory);

/* key_directory_check.c; all on the strand. */
/* Asks whether anything is left below the name, which shows as no directory if there is not. */
void key_directory_check(struct key_directory *directory, const char *name, size_t length);
/* Something was put below the name: what is being asked for may be told something older. */
void key_directory_check_put(
	struct key_directory *directory, const char *name, size_t length, int64_t revision);
/* Asks for what is still to be asked, if anything is. */
void key_directory_check_next(struct key_directory *directory);

/* key_directory_apply.c; on the strand: what is below every name is known, or cannot be. */
void key_directory_end_unsure(struct key_directory *directory);
