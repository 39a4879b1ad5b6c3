#define _GNU_SOURCE
#include "json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading ------------------------------------------------------------ */

#define MAX_DEPTH 32

struct reader {
	const char *at;
	int depth;
};

static bool read_value(struct reader *r, struct json *into);

static void skip_blanks(struct reader *r) { r->at += strspn(r->at, " \t\r\n"); }

/* Takes a word if it comes next. */
static bool take(struct reader *r, const char *word)
{
	skip_blanks(r);
	size_t n = strlen(word);
	if (strncmp(r->at, word, n) != 0)
		return false;
	r->at += n;
	return true;
}

static bool read_hex(struct reader *r, unsigned *code)
{
	char digits[5] = "";
	for (int i = 0; i < 4; i++) {
		if (r->at[i] == '\0' || strchr("0123456789abcdefABCDEF", r->at[i]) == NULL)
			return false;
		digits[i] = r->at[i];
	}
	r->at += 4;
	*code = (unsigned)strtoul(digits, NULL, 16);
	return true;
}

static char *put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xC0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3F));
	} else if (c < 0x10000) {
		*out++ = (char)(0xE0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3F));
		*out++ = (char)(0x80 | (c & 0x3F));
	} else {
		*out++ = (char)(0xF0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3F));
		*out++ = (char)(0x80 | (c >> 6 & 0x3F));
		*out++ = (char)(0x80 | (c & 0x3F));
	}
	return out;
}

/* Reads what follows "\u", a surrogate pair too. A zero would end the text for
 * C: refused. */
static bool read_code(struct reader *r, char **out)
{
	unsigned c, low;
	if (!read_hex(r, &c) || c == 0)
		return false;
	if (c >= 0xD800 && c < 0xDC00) {
		if (strncmp(r->at, "\\u", 2) != 0)
			return false;
		r->at += 2;
		if (!read_hex(r, &low) || low < 0xDC00 || low > 0xDFFF)
			return false;
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	*out = put_utf8(*out, c);
	return true;
}

static bool read_escape(struct reader *r, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = *r->at++;
	if (c == 'u')
		return read_code(r, out);
	const char *found = c == '\0' ? NULL : strchr(from, c);
	if (found == NULL)
		return false;
	*(*out)++ = to[found - from];
	return true;
}

/* Reads a text; NULL means nonsense. It is never longer than its JSON. */
static char *read_text(struct reader *r)
{
	if (!take(r, "\""))
		return NULL;
	char *text = malloc(strlen(r->at) + 1), *out = text;
	while (text != NULL && *r->at != '"') {
		unsigned char c = (unsigned char)*r->at;
		if (c < 0x20 || (c == '\\' && (r->at++, !read_escape(r, &out)))) {
			free(text);
			return NULL;
		}
		if (c != '\\') {
			*out++ = (char)c;
			r->at++;
		}
	}
	if (text == NULL)
		return NULL;
	r->at++;
	*out = '\0';
	char *fit = realloc(text, (size_t)(out - text) + 1);
	return fit == NULL ? text : fit;
}

/* Reads a whole number; the protocol has no others. */
static bool read_number(struct reader *r, int64_t *number)
{
	char *end;
	errno = 0;
	*number = *r->at == '-' ? strtoll(r->at, &end, 10) : (int64_t)strtoull(r->at, &end, 10);
	bool good = end != r->at && errno == 0 && strchr(".eE", *end) == NULL;
	good = good || (end != r->at && errno == 0 && *end == '\0');
	r->at = end;
	return good;
}

/* Reads what a list or an object holds, up to the bracket that closes it. */
static bool read_members(struct reader *r, struct json *into, const char *close)
{
	struct json **last = &into->in;
	if (take(r, close))
		return true;
	for (;;) {
		struct json *member = calloc(1, sizeof *member);
		if (member == NULL)
			return false;
		*last = member;
		last = &member->next;
		if (into->kind == JSON_OBJECT && ((member->key = read_text(r)) == NULL || !take(r, ":")))
			return false;
		if (!read_value(r, member))
			return false;
		if (take(r, close))
			return true;
		if (!take(r, ","))
			return false;
	}
}

static bool read_nested(struct reader *r, struct json *into, enum json_kind kind)
{
	into->kind = kind;
	r->at++;
	if (++r->depth > MAX_DEPTH)
		return false;
	bool good = read_members(r, into, kind == JSON_LIST ? "]" : "}");
	r->depth--;
	return good;
}

static bool read_value(struct reader *r, struct json *into)
{
	skip_blanks(r);
	switch (*r->at) {
	case '{':
		return read_nested(r, into, JSON_OBJECT);
	case '[':
		return read_nested(r, into, JSON_LIST);
	case '"':
		into->kind = JSON_TEXT;
		into->text = read_text(r);
		return into->text != NULL;
	case 't':
		into->number = 1;
		into->kind = JSON_BOOL;
		return take(r, "true");
	case 'f':
		into->kind = JSON_BOOL;
		return take(r, "false");
	case 'n':
		return take(r, "null");
	default:
		into->kind = JSON_NUMBER;
		return read_number(r, &into->number);
	}
}

struct json *json_read(const char *text)
{
	struct reader r = {.at = text};
	struct json *value = calloc(1, sizeof *value);
	if (value == NULL)
		return NULL;
	if (read_value(&r, value) && (skip_blanks(&r), *r.at == '\0'))
		return value;
	json_free(value);
	return NULL;
}

void json_free(struct json *value)
{
	while (value != NULL) {
		struct json *next = value->next;
		json_free(value->in);
		free(value->key);
		free(value->text);
		free(value);
		value = next;
	}
}

/* ---- Looking ------------------------------------------------------------ */

struct json *json_get(const struct json *object, const char *key)
{
	if (object == NULL || object->kind != JSON_OBJECT)
		return NULL;
	for (struct json *m = object->in; m != NULL; m = m->next)
		if (strcmp(m->key, key) == 0)
			return m->kind == JSON_NULL ? NULL : m;
	return NULL;
}

const char *json_text(const struct json *object, const char *key, const char *missing)
{
	const struct json *m = json_get(object, key);
	return m == NULL || m->kind != JSON_TEXT ? missing : m->text;
}

int64_t json_number(const struct json *object, const char *key)
{
	const struct json *m = json_get(object, key);
	return m == NULL || m->kind != JSON_NUMBER ? 0 : m->number;
}

bool json_true(const struct json *object, const char *key)
{
	const struct json *m = json_get(object, key);
	return m != NULL && m->kind == JSON_BOOL && m->number != 0;
}

char **json_texts(const struct json *object, const char *key)
{
	const struct json *list = json_get(object, key);
	size_t count = 0;
	if (list == NULL || list->kind != JSON_LIST || list->in == NULL)
		return NULL;
	for (const struct json *m = list->in; m != NULL; m = m->next)
		count++;
	char **texts = calloc(count + 1, sizeof *texts);
	if (texts == NULL)
		return NULL;
	count = 0;
	for (const struct json *m = list->in; m != NULL; m = m->next)
		texts[count++] = strdup(m->kind == JSON_TEXT ? m->text : "");
	return texts;
}

/* ---- Writing ------------------------------------------------------------ */

/* Room that is kept for closing brackets. */
#define RESERVE 16

static void put(struct json_writer *w, const char *bytes, size_t n)
{
	if (w->used + n + RESERVE < sizeof w->text) {
		memcpy(w->text + w->used, bytes, n);
		w->used += n;
	}
}

static void put_key(struct json_writer *w, const char *key)
{
	char head[128];
	bool first = w->text[w->used - 1] == '{';
	int n = snprintf(head, sizeof head, "%s\"%.100s\":", first ? "" : ",", key);
	put(w, head, (size_t)n);
}

void json_begin(struct json_writer *w)
{
	w->text[0] = '{';
	w->used = 1;
}

void json_put_number(struct json_writer *w, const char *key, int64_t number)
{
	char digits[32];
	put_key(w, key);
	put(w, digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)number));
}

void json_put_unsigned(struct json_writer *w, const char *key, uint64_t number)
{
	char digits[32];
	put_key(w, key);
	put(w, digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number));
}

void json_put_true(struct json_writer *w, const char *key, bool value)
{
	put_key(w, key);
	put(w, value ? "true" : "false", value ? 4 : 5);
}

/* The most of a text that is written. */
#define MAX_TEXT 4096

void json_put_text(struct json_writer *w, const char *key, const char *text)
{
	char escape[8];
	put_key(w, key);
	put(w, "\"", 1);
	for (size_t i = 0; i < MAX_TEXT && text[i] != '\0'; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x20 || c == '"' || c == '\\' || c == 0x7F)
			put(w, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
		else
			put(w, text + i, 1);
	}
	put(w, "\"", 1);
}

void json_open(struct json_writer *w, const char *key)
{
	put_key(w, key);
	put(w, "{", 1);
}

void json_close(struct json_writer *w) { w->text[w->used++] = '}'; }

size_t json_end(struct json_writer *w)
{
	json_close(w);
	w->text[w->used++] = '\n';
	return w->used;
}
