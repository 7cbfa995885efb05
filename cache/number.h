/*
 * Numbers as Go reads and prints them; independent of the locale.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cache/document.h"

/* Room for every text that the functions below print. */
#define NUMBER_TEXT_MAX 32

/* What a decimal integer, "-0" included, without leading zeros or plus sign is: fits int64? */
bool number_fits_int64(const char *text, size_t length);
/* The same for uint64. */
bool number_fits_uint64(const char *text, size_t length);

/*
 * The nearest float64 of a decimal number ([+-]digits[.digits][e[+-]digits]). FALSE when it is out
 * of range, as strconv.ParseFloat is; too small is 0.
 */
bool number_parse(const char *text, size_t length, double *ret_value);

/* As Go's encoding/json prints a finite float64: 0.5, 1e-7, 1e+21, 100. Returns the length. */
size_t number_print_json(double value, char text[NUMBER_TEXT_MAX]);

/* As strconv.FormatFloat(value, 'g', -1, 64) prints a finite one: 1.5e+06. Returns the length. */
size_t number_print_g(double value, char text[NUMBER_TEXT_MAX]);
/* As strconv.FormatFloat(value, 'g', -1, 32) prints it, infinities as .inf and -.inf. */
size_t number_print_g32(double value, char text[NUMBER_TEXT_MAX]);

/*
 * What kubectl -o json prints for a number node. The text is node's own or in scratch.
 * Returns its length.
 */
size_t number_json(
	const struct document_node *node, char scratch[NUMBER_TEXT_MAX], const char **ret_text);
/* What kubectl -o yaml prints. */
size_t number_yaml(
	const struct document_node *node, char scratch[NUMBER_TEXT_MAX], const char **ret_text);
