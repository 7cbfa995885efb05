/*
 * Tells the kernel what it must forget (fuse.md 6 to 8). Nothing here is called from within a
 * request's path to the kernel: all is queued and done by threads of the notifier, so that the
 * caller may hold locks.
 *
 * Invalidating an entry takes the lock of its directory in the kernel and so waits for every LOOKUP
 * that is parked there. Entries therefore go in lanes, one a directory, and a blocked lane delays
 * only itself. Invalidating an inode waits for nobody and is queued behind no entry.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

struct fuse_session;
struct notifier;

/* Directories that may be blocked at the same time before others are delayed. */
#define NOTIFIER_LANES_MAX 64

struct notifier *notifier_create(struct fuse_session *session);
/* Waits for what is under way; the rest is dropped, and so is what comes later. */
void notifier_close(struct notifier *notifier);
void notifier_destroy(struct notifier *notifier); /* NULL is fine; closes it if need be */

/* The name means something else now, or nothing. Coalesced with one that is queued. */
void notifier_entry(struct notifier *notifier, uint64_t directory, const char *name);
/* The inode child, known there as name, is gone for good. */
void notifier_delete(
	struct notifier *notifier, uint64_t directory, uint64_t child, const char *name);
/* A name was added to or removed from the directory: its cached listing and times are stale. */
void notifier_listing(struct notifier *notifier, uint64_t directory);
/* The attributes of the inode changed, its content did not. */
void notifier_attributes(struct notifier *notifier, uint64_t inode);
/*
 * As notifier_listing, but not before a READDIR that is being answered right now has settled in the
 * kernel's cache: for an answer that was overtaken by a change.
 */
void notifier_listing_settled(struct notifier *notifier, uint64_t directory);

/* Calls job(data), once and always, when all that the lane holds now is done or dropped. */
void notifier_after(
	struct notifier *notifier, uint64_t directory, void (*job)(void *data), void *data);
/*
 * The same for all of these lanes: an array of uint64_t, the directories, perhaps some more than
 * once, as names are met that mostly follow one another.
 */
void notifier_after_all(
	struct notifier *notifier, const GArray *lanes, void (*job)(void *data), void *data);
void notifier_lanes_add(GArray *lanes, uint64_t directory);
