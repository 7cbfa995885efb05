#include "cache/arena.h"

#define CHUNK_MIN ((size_t)32 << 10)
#define CHUNK_MAX ((size_t)1 << 20)
#define ALIGN(size) (((size) + ARENA_GAP + 7) & ~(size_t)7)

void arena_init(struct arena *arena, size_t keep, size_t limit)
{
	*arena = (struct arena){.keep = keep, .limit = limit};
}

static void free_chunks(struct arena_chunk *chunk)
{
	while (chunk != NULL) {
		struct arena_chunk *next = chunk->next;

		ARENA_OPEN(chunk->bytes, chunk->size);
		g_free(chunk);
		chunk = next;
	}
}

void arena_finish(struct arena *arena)
{
	free_chunks(arena->first);
	*arena = (struct arena){0};
}

static void enter(struct arena *arena, struct arena_chunk *chunk)
{
	arena->current = chunk;
	arena->taken += chunk->size;
	arena->at = chunk->bytes;
	arena->end = chunk->bytes + chunk->size;
	ARENA_CLOSE(chunk->bytes, chunk->size);
}

void arena_reset(struct arena *arena)
{
	struct arena_chunk **link = &arena->first;
	size_t kept = 0;

	while (*link != NULL && kept + (*link)->size <= arena->keep) {
		kept += (*link)->size;
		link = &(*link)->next;
	}
	free_chunks(*link);
	*link = NULL;

	arena->taken = 0;
	arena->current = NULL;
	arena->at = arena->end = NULL;
	if (arena->first != NULL)
		enter(arena, arena->first);
}

static struct arena_chunk *create_chunk(const struct arena *arena, size_t size)
{
	size_t wanted = arena->current == NULL ? CHUNK_MIN : MIN(arena->taken, CHUNK_MAX);
	struct arena_chunk *chunk;

	wanted = MAX(MIN(wanted, (arena->limit - arena->taken) & ~(size_t)7), size);
	chunk = g_malloc(sizeof(*chunk) + wanted);
	chunk->size = wanted;
	return chunk;
}

void *arena_extend(struct arena *arena, size_t size)
{
	struct arena_chunk **link = arena->current == NULL ? &arena->first : &arena->current->next;
	struct arena_chunk *chunk = *link;
	size_t rounded = ALIGN(size);

	if (rounded < size || rounded > arena->limit - arena->taken)
		return NULL;
	if (chunk == NULL || chunk->size < rounded || chunk->size > arena->limit - arena->taken) {
		chunk = create_chunk(arena, rounded);
		chunk->next = *link;
		*link = chunk;
	}
	enter(arena, chunk);
	arena->at += rounded;
	ARENA_OPEN(chunk->bytes, size);
	return chunk->bytes;
}

void arena_release(struct arena *arena, struct arena_mark mark)
{
	if (mark.current == NULL) {
		arena_reset(arena);
		return;
	}
	arena->current = mark.current;
	arena->at = mark.at;
	arena->end = mark.current->bytes + mark.current->size;
	arena->taken = mark.taken;
	ARENA_CLOSE(arena->at, (size_t)(arena->end - arena->at));
}
