/*
 * Pieces of directories that are put together before they are asked for. Who lists a directory
 * that does not fit one reply asks for the next piece when the kernel has entered the names of the
 * one before, which takes it longer than it takes us to have the next one ready meanwhile.
 *
 * A piece that is given later than it was made is one whose reply took long: what changed since is
 * found as for any reply (kubefs/listing.c, verify).
 */
#pragma once

#include <glib.h>
#include <stdint.h>

struct listing_ahead;

/* Pieces that are kept, of as many walks at a time; and for how long (milliseconds). */
#define LISTING_AHEAD_MAX 4
#define LISTING_AHEAD_MS 1000

/* drop(piece) is called for each one that nobody came for. */
struct listing_ahead *listing_ahead_create(void (*drop)(void *piece));
void listing_ahead_destroy(struct listing_ahead *ahead); /* NULL is fine */

/* Keeps a piece, which is taken over. Any thread; so is listing_ahead_take. */
void listing_ahead_put(
	struct listing_ahead *ahead, uint64_t directory, uint64_t offset, size_t size, void *piece);
/* The caller's, or NULL: there is none that is young enough. */
void *listing_ahead_take(
	struct listing_ahead *ahead, uint64_t directory, uint64_t offset, size_t size);
