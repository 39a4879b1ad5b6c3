/* A small strict reader and writer of JSON, enough for the driver protocol. */
#ifndef MOULINETTE_JSON_H
#define MOULINETTE_JSON_H

#include "names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT };

/* A value; within a list or an object, one of a chain. */
struct json {
	enum json_kind kind;
	char *key;        /* within an object */
	char *text;       /* of a text */
	int64_t number;   /* of a number (unsigned ones beyond it wrap) or a bool */
	struct json *in;  /* the first of a list or an object */
	struct json *next;
};

/* json_read reads one value that fills text. NULL means nonsense. */
struct json *json_read(const char *text);
void json_free(struct json *value);

/* What an object holds. Each takes NULL for an object that is not there. */
struct json *json_get(const struct json *object, const char *key);
const char *json_text(const struct json *object, const char *key, const char *missing);
int64_t json_number(const struct json *object, const char *key);
bool json_true(const struct json *object, const char *key);
/* A list of texts as a vector that ends with NULL; NULL if there is none. The
 * vector and its texts are new memory. */
char **json_texts(const struct json *object, const char *key);

/* An object being written. */
struct json_writer {
	char text[32768];
	size_t used;
};

void json_begin(struct json_writer *w);
void json_put_number(struct json_writer *w, const char *key, int64_t number);
void json_put_unsigned(struct json_writer *w, const char *key, uint64_t number);
void json_put_true(struct json_writer *w, const char *key, bool value);
void json_put_text(struct json_writer *w, const char *key, const char *text);
void json_open(struct json_writer *w, const char *key);
void json_close(struct json_writer *w);
/* Ends the object and the line, and gives its length. */
size_t json_end(struct json_writer *w);

#endif
