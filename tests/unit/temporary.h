/* A directory of its own for a test, gone afterwards. For tests that run one at a time. */
#pragma once

#include <check.h>
#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char *temporary_directory;

static inline void temporary_create(void)
{
	g_autoptr(GError) error = NULL;

	temporary_directory = g_dir_make_tmp("kubefs-test-XXXXXX", &error);
	ck_assert_msg(temporary_directory != NULL, "%s", error != NULL ? error->message : "");
}

static inline int temporary_remove_one(
	const char *path, const struct stat *status, int type, struct FTW *walk)
{
	return remove(path);
}

static inline void temporary_destroy(void)
{
	nftw(temporary_directory, temporary_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	g_clear_pointer(&temporary_directory, g_free);
}

/* The absolute path of a name below the directory. The caller owns it. */
static inline char *temporary_path(const char *name)
{
	return g_build_filename(temporary_directory, name, NULL);
}

/* Writes a file below the directory, with the directories on its way. The caller owns the path. */
static inline char *temporary_write(const char *name, const char *text, unsigned int mode)
{
	char *path = temporary_path(name);
	g_autofree char *directory = g_path_get_dirname(path);
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(g_mkdir_with_parents(directory, 0700), 0);
	ck_assert_msg(g_file_set_contents_full(path, text, (gssize)strlen(text),
			      G_FILE_SET_CONTENTS_CONSISTENT, (int)mode, &error),
		"%s", error != NULL ? error->message : "");
	ck_assert_int_eq(g_chmod(path, mode), 0);
	return path;
}

/* The same for who does not need the path. */
static inline void temporary_put(const char *name, const char *text)
{
	g_free(temporary_write(name, text, 0600));
}
