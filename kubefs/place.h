/*
 * What a file that can be saved stands for: an object, one of its views, the text of an object
 * that was refused, or a key of etcd.
 */
#pragma once

#include "cache/key_scope.h"
#include "kubefs/node.h"

enum place_kind {
	PLACE_OBJECT, /* NAME.yaml or NAME.json */
	PLACE_STATUS, /* NAME@/status.yaml */
	PLACE_SCALE, /* NAME@/scale */
	PLACE_KEY, /* a key of etcd (kubefs/key_place.h) */
};

struct place {
	enum place_kind kind;
	enum node_format format;
	struct context *context; /* NULL for PLACE_KEY, and so are the next two */
	struct resource *resource; /* a reference */
	char *namespace; /* "" for cluster-scoped */
	char *name; /* the object's, unescaped; PLACE_KEY: its last component, escaped */
	/* PLACE_KEY; owned but for the first. */
	struct filesystem *filesystem;
	struct key_scope scope; /* of its directory */
	GBytes *key;
};

void place_copy(struct place *to, const struct place *from);
void place_finish(struct place *place);
#define PLACE_CLEANUP __attribute__((cleanup(place_finish)))

/* Whether both are files of one object, or the same key, in whatever form. */
gboolean place_same_object(const struct place *a, const struct place *b);

/* "status", "scale", or NULL for the object itself. */
const char *place_subresource(const struct place *place);

/* The path below the mount point, for messages: "namespaces/default/configmaps/a.yaml"; g_free. */
char *place_path(const struct place *place);

/*
 * The directory of a node's key, as a string that is equal for equal directories, also when the
 * kernel forgets a directory and learns it anew; g_free.
 */
char *place_directory(const struct node_key *directory);
/* The same for the directory in which the place's file stands, and the file's name there. */
char *place_directory_of(const struct place *place, char **ret_name);
/* The nodeid of that directory; 0 while the kernel does not hold it. */
uint64_t place_directory_id(struct node_table *nodes, const struct place *place);
