#include "client/json_scan.h"

#include <string.h>

#if defined(__SSE2__) && !defined(JSON_SCAN_PORTABLE)
#include <emmintrin.h>
#endif

#define BLOCK 64

/* One bit a byte of the block, the first byte lowest. */
struct masks {
	uint64_t quote;
	uint64_t backslash;
	uint64_t open;
	uint64_t close;
};

/* '[' and '{', ']' and '}' differ only in the bit 0x20, and no other byte becomes one of them. */
#define CASE_BIT 0x20

#if defined(__SSE2__) && !defined(JSON_SCAN_PORTABLE)

static uint64_t equal(__m128i bytes, char wanted)
{
	return (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted)));
}

static inline struct masks classify(const char *block)
{
	struct masks masks = {0};

#pragma GCC unroll 4
	for (unsigned int i = 0; i < BLOCK; i += sizeof(__m128i)) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + i));
		__m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(CASE_BIT));

		masks.quote |= equal(bytes, '"') << i;
		masks.backslash |= equal(bytes, '\\') << i;
		masks.open |= equal(folded, '{') << i;
		masks.close |= equal(folded, '}') << i;
	}
	return masks;
}

#else

static uint64_t repeat(unsigned char byte)
{
	return 0x0101010101010101U * byte;
}

/* The eight bits of the bytes that equal wanted: exact, no carry crosses a byte. */
static uint64_t equal(uint64_t bytes, char wanted)
{
	uint64_t difference = bytes ^ repeat((unsigned char)wanted);
	uint64_t low = (difference & repeat(0x7f)) + repeat(0x7f);
	uint64_t zero = ~(low | difference | repeat(0x7f));

	return ((zero >> 7) * 0x0102040810204080U) >> 56;
}

static inline struct masks classify(const char *block)
{
	struct masks masks = {0};

#pragma GCC unroll 8
	for (unsigned int i = 0; i < BLOCK; i += sizeof(uint64_t)) {
		uint64_t bytes, folded;

		memcpy(&bytes, block + i, sizeof(bytes));
		bytes = GUINT64_FROM_LE(bytes);
		folded = bytes | repeat(CASE_BIT);
		masks.quote |= equal(bytes, '"') << i;
		masks.backslash |= equal(bytes, '\\') << i;
		masks.open |= equal(folded, '{') << i;
		masks.close |= equal(folded, '}') << i;
	}
	return masks;
}

#endif

/* The baseline has no population count, and a call for each block costs more than the scan. */
static unsigned int count(uint64_t bits)
{
	bits -= (bits >> 1) & 0x5555555555555555U;
	bits = (bits & 0x3333333333333333U) + ((bits >> 2) & 0x3333333333333333U);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fU;
	return (unsigned int)((bits * 0x0101010101010101U) >> 56);
}

/* Each bit becomes the parity of itself and all lower ones: 1 from a quote to the next. */
static uint64_t parity(uint64_t bits)
{
#pragma GCC unroll 6
	for (unsigned int shift = 1; shift < 64; shift *= 2)
		bits ^= bits << shift;
	return bits;
}

/*
 * The bytes that stand behind a run of backslashes of odd length, and in *carry whether the first
 * byte of the next block does. A run is added to itself at its start: the carry comes out behind
 * its end, and start and end tell the parity of its length.
 */
static uint64_t find_escaped(uint64_t backslashes, uint64_t *carry)
{
	const uint64_t even_bits = 0x5555555555555555U;
	uint64_t escaped = *carry;
	uint64_t starts, even_ends, odd_ends;

	backslashes &= ~escaped;
	starts = backslashes & ~(backslashes << 1);
	even_ends = (backslashes + (starts & even_bits)) & ~backslashes;
	*carry = __builtin_add_overflow(backslashes, starts & ~even_bits, &odd_ends);
	odd_ends &= ~backslashes;
	return escaped | (even_ends & ~even_bits) | (odd_ends & even_bits);
}

/* The bit behind which no bracket is open, or BLOCK. */
static unsigned int find_end(size_t *depth, uint64_t open, uint64_t close)
{
	uint64_t brackets = open | close;

	while (brackets != 0) {
		unsigned int bit = (unsigned int)__builtin_ctzll(brackets);

		if ((open >> bit) & 1)
			(*depth)++;
		else if (--(*depth) == 0)
			return bit;
		brackets &= brackets - 1;
	}
	return BLOCK;
}

/* Scans the block, of which length bytes count; returns how many belong to the value if it ends. */
static inline unsigned int scan_block(
	struct json_scan *scan, const char *block, unsigned int length)
{
	struct masks masks = classify(block);
	uint64_t escaped, in_string;
	unsigned int closes;

	escaped = find_escaped(masks.backslash, &scan->escaped);
	masks.quote &= ~escaped;
	if (length < BLOCK)
		scan->escaped = (escaped >> length) & 1;
	in_string = parity(masks.quote) ^ scan->in_string;
	scan->in_string = -(in_string >> 63);
	masks.open &= ~in_string;
	masks.close &= ~in_string;

	closes = count(masks.close);
	if (G_LIKELY(scan->depth > closes)) {
		scan->depth = scan->depth + count(masks.open) - closes;
		return 0;
	}
	unsigned int bit = find_end(&scan->depth, masks.open, masks.close);

	return bit < BLOCK ? bit + 1 : 0;
}

const char *json_scan_value(struct json_scan *scan, const char *begin, const char *end)
{
	/* In registers: the text may alias what scan points at. */
	struct json_scan state = *scan;
	const char *found = NULL;

	while (begin < end && state.depth <= JSON_DEPTH_MAX) {
		size_t length = MIN((size_t)(end - begin), BLOCK);
		char padded[BLOCK];
		const char *block = begin;
		unsigned int used;

		if (G_UNLIKELY(length < BLOCK)) {
			memset(padded, ' ', sizeof(padded));
			memcpy(padded, begin, length);
			block = padded;
		}
		used = scan_block(&state, block, (unsigned int)length);
		if (G_UNLIKELY(used != 0)) {
			found = begin + used;
			state = (struct json_scan){0};
			break;
		}
		begin += length;
	}
	*scan = state;
	return found;
}

const char *json_scan_string(struct json_scan *scan, const char *begin, const char *end)
{
	for (; begin < end; begin++) {
		if (scan->escaped)
			scan->escaped = 0;
		else if (*begin == '\\')
			scan->escaped = 1;
		else if (*begin == '"')
			return begin + 1;
	}
	return NULL;
}
