/*
 * Memory that is handed out piece by piece and taken back all at once, or back to a mark.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SANITIZED
#endif
#endif

/* With AddressSanitizer, what is not handed out may not be touched, and pieces do not adjoin. */
#ifdef ARENA_SANITIZED
#include <sanitizer/asan_interface.h>
#define ARENA_GAP 8
#define ARENA_OPEN(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#define ARENA_CLOSE(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#else
#define ARENA_GAP 0
#define ARENA_OPEN(at, size) ((void)0)
#define ARENA_CLOSE(at, size) ((void)0)
#endif

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* of bytes */
	_Alignas(16) char bytes[];
};

struct arena {
	char *at; /* free memory of the chunk in use */
	char *end;
	struct arena_chunk *first;
	struct arena_chunk *current; /* those behind it are empty */
	size_t taken; /* sizes of the chunks up to current */
	size_t keep;
	size_t limit;
};

struct arena_mark {
	struct arena_chunk *current;
	char *at;
	size_t taken;
};

/* keep: bytes that arena_reset retains; limit: bytes that may be in use at a time. */
void arena_init(struct arena *arena, size_t keep, size_t limit);
void arena_finish(struct arena *arena);
void arena_reset(struct arena *arena);

/* Slow path of arena_allocate. */
void *arena_extend(struct arena *arena, size_t size);

/* Memory aligned for pointers, not initialised; NULL: over the limit. */
static inline void *arena_allocate(struct arena *arena, size_t size)
{
	char *at = arena->at;

	if (G_UNLIKELY(size > (size_t)(arena->end - at) ||
		       size + ARENA_GAP > (size_t)(arena->end - at)))
		return arena_extend(arena, size);
	/* Chunks end on an aligned address, so rounding up stays within. */
	arena->at = at + ((size + ARENA_GAP + 7) & ~(size_t)7);
	ARENA_OPEN(at, size);
	return at;
}

static inline struct arena_mark arena_mark(const struct arena *arena)
{
	return (struct arena_mark){arena->current, arena->at, arena->taken};
}

/* All that was allocated since the mark is free again. */
void arena_release(struct arena *arena, struct arena_mark mark);
