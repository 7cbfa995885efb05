/*
 * Keys of etcd as paths, reversibly. Keys are any bytes; every key has exactly one escaped path,
 * and every such path is one key's.
 *
 * A mount shows the keys that begin with its prefix P. The '/'s of a key separate directories, and
 * the one where P ends (or that follows it) is the mount point's own:
 *
 *	P ""		/registry/pods/default/web	registry/pods/default/web
 *	P "/registry"	/registry/pods/default/web	pods/default/web
 *	P "/registry/"	/registry/pods/default/web	pods/default/web
 *
 * Where P does not end in '/', there can also be keys that go on with another byte, or end there.
 * They stand in the directory "%." (as in "./a": no slash before it), which is there when there
 * are any:
 *
 *	P ""		compact_rev_key			%./compact_rev_key
 *	P "/registry"	/registry-old/a			%./-old/a
 *
 * A component is written as it is, but for: '%' %25, NUL %00, the whole component "." %2E, ".."
 * %2E%2E, ".kubefs" %2Ekubefs, ".revisions" %2Erevisions, and an empty one, which comes from a
 * leading, trailing or double slash: "%-". What is then longer than NAME_MAX is cut into
 * directories whose names end in a lone "%", as in kubefs/escape.h. Bytes that are no UTF-8 stay as
 * they are.
 *
 * The escaped path ends in "%=" and always resolves: registry/pods/default/web%= is the value of
 * the key, whatever else is there. What is listed is the plain name, without "%=", unless the key
 * is also a directory of others (/a and /a/b): then the plain name is the directory, and the
 * escaped one is listed beside it. "%-", "%.", "%=" and a lone "%" are in no other name: what
 * follows a '%' there is always two digits.
 *
 * Behind either name of a key "@" is the directory of its views (kubefs/key_views.h), which is not
 * listed: pods/default/web@/ or pods/default/web%=@/. A key or directory of that name wins.
 *
 * .revisions/REVISION at the mount point holds all of this as it was at that revision.
 *
 * A key whose path is longer than a path can be (PATH_MAX) is not shown; .kubefs/errors says so.
 */
#pragma once

#include <glib.h>

#include "cache/key_scope.h"

#define KEY_PATH_VALUE "%="
#define KEY_PATH_SLASHLESS "%."
#define KEY_PATH_VIEWS "@"
#define KEY_PATH_REVISIONS ".revisions"
/* Bytes of a path below the mount point. */
#define KEY_PATH_MAX 4095

/* The scope of the mount point. Finish it with key_scope_finish. */
void key_path_root(GBytes *prefix, struct key_scope *ret);
/* The scope of "%."; FALSE when there is none. */
gboolean key_path_slashless(GBytes *prefix, struct key_scope *ret);
/* The scope of a directory in that of scope. */
void key_path_child(
	const struct key_scope *scope, const char *name, size_t length, struct key_scope *ret);
/* The scope that holds a key, which begins with the prefix. */
void key_path_scope(GBytes *prefix, GBytes *key, struct key_scope *ret);
/*
 * The reverse: the scope that holds the directory, and its name there (g_bytes_unref), NULL for
 * "%.". FALSE for the mount point.
 */
gboolean key_path_parent(
	GBytes *prefix, const struct key_scope *scope, struct key_scope *ret, GBytes **ret_name);

/* The escaped name of a directory, from what key_path_parent says of it; g_free. */
char *key_path_directory_name(GBytes *name);

/* The scope of the directory that holds the key; FALSE when it does not begin with the prefix. */
gboolean key_path_scope_of_key(GBytes *prefix, GBytes *key, struct key_scope *ret);

enum key_form {
	KEY_PLAIN, /* a directory, or a key that is none */
	KEY_VALUE, /* a key */
};

/* A component escaped, of any length and not yet cut; g_free. */
char *key_path_name(const char *name, size_t length, enum key_form form);

/*
 * Where an escaped name stands below its directory: the component that begins at the bytes of
 * chunk ("" for the directory itself), which is cut from the rest when *ret_is_chunk. NULL when the
 * name does not stand below that chunk; g_free.
 */
char *key_path_component(const char *escaped, const char *chunk, gboolean *ret_is_chunk);
/* The bytes of all directories that the name is cut into: the chunk of its last component; g_free.
 */
char *key_path_chunk(const char *escaped);

enum key_step {
	KEY_STEP_NONE, /* nothing can have that name */
	KEY_STEP_CHUNK, /* a part of a long name: *ret_name is the chunk so far */
	KEY_STEP_SLASHLESS,
	KEY_STEP_PLAIN, /* *ret_name and *ret_length are the component */
	KEY_STEP_VALUE,
};
/* What a file name means below chunk ("" in a directory itself). *ret_name is g_free's, or NULL. */
enum key_step key_path_step(
	const char *chunk, const char *file, char **ret_name, size_t *ret_length);

/*
 * The same for the name of a key's views: FALSE when nothing can have it. That it can be the name
 * of a key, too, is not considered. *ret_name is g_free's.
 */
gboolean key_path_views(const char *chunk, const char *file, char **ret_name, size_t *ret_length);

/* Paths below the mount point, with their cuts; g_free. That of the mount point is "". */
char *key_path_of_directory(GBytes *prefix, const struct key_scope *scope);
/* NULL when the key does not begin with the prefix. */
char *key_path_of_key(GBytes *prefix, GBytes *key, enum key_form form);
/* The length of an escaped name with its cuts. */
size_t key_path_cut_length(const char *escaped);
