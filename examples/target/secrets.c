/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of secrets: a line has a host's NQN, its secret and, if the controller shall prove itself
 * as well, the controller's; what follows a # is a comment. Any thread. Every copy of what was read
 * is wiped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "secrets.h"
#include "spec.h"

#define BLANK      " \t\r\n"
#define WORDS_MAX  4 /* one more than a line may have */
#define BUFFER_LEN 4096

struct reader {
	const char *path;
	FILE *file;
	unsigned line;
	char *text; /* getline's */
	size_t room;
	char *words[WORDS_MAX];
	unsigned word_count;
	char buffer[BUFFER_LEN]; /* stdio's */
};

static int reader_open(struct reader *reader, const char *path)
{
	*reader = (struct reader){.path = path};
	reader->file = fopen(path, "re");
	if (!reader->file) {
		int result = -errno;

		log_line(WRASSE_LOG_ERROR, "cannot open the secrets %s: %s", path, strerror(errno));
		return result;
	}
	setvbuf(reader->file, reader->buffer, _IOFBF, sizeof(reader->buffer));
	return 0;
}

static void reader_close(struct reader *reader)
{
	fclose(reader->file);
	if (reader->text)
		explicit_bzero(reader->text, reader->room);
	free(reader->text);
	explicit_bzero(reader, sizeof(*reader));
}

/* Goes on to the next line that says something. Return: whether there is one. */
static bool reader_next(struct reader *reader)
{
	while (getline(&reader->text, &reader->room, reader->file) >= 0) {
		char *comment = strchr(reader->text, '#'), *rest = NULL;

		reader->line++;
		if (comment)
			*comment = 0;
		reader->word_count = 0;
		for (char *word = strtok_r(reader->text, BLANK, &rest);
		     word && reader->word_count < WORDS_MAX; word = strtok_r(NULL, BLANK, &rest))
			reader->words[reader->word_count++] = word;
		if (reader->word_count > 0)
			return true;
	}
	return false;
}

static int wrong(const struct reader *reader, const char *what, const char *why)
{
	log_line(WRASSE_LOG_ERROR, "secrets %s, line %u: %s %s", reader->path, reader->line, what,
		 why);
	return -EINVAL;
}

static int line_check(const struct reader *reader)
{
	static const char *const names[] = {"the NQN", "the host's secret",
					    "the controller's secret"};
	const char *why = nqn_check(reader->words[0]);

	if (reader->word_count == 1 || reader->word_count == WORDS_MAX)
		return wrong(reader, "the line", "is not NQN SECRET [CONTROLLER'S SECRET]");
	if (why)
		return wrong(reader, names[0], why);
	for (unsigned i = 1; i < reader->word_count; i++) {
		why = wrasse_auth_check_secret(reader->words[i]);
		if (why)
			return wrong(reader, names[i], why);
	}
	return 0;
}

int secrets_check(const char *path)
{
	struct reader reader;
	struct stat stat;
	int result = reader_open(&reader, path);

	if (result)
		return result;
	if (fstat(fileno(reader.file), &stat) == 0 && (stat.st_mode & S_IROTH))
		log_line(WRASSE_LOG_WARN, "every user can read the secrets %s", path);
	while (result == 0 && reader_next(&reader))
		result = line_check(&reader);
	reader_close(&reader);
	return result;
}

int secrets_get(void *ctx, const char *hostnqn, const char *subnqn, struct wrasse_auth_keys *keys)
{
	struct reader reader;
	int result = reader_open(&reader, ctx);

	(void)subnqn;
	if (result)
		return result;
	result = -ENOENT;
	while (result == -ENOENT && reader_next(&reader)) {
		if (strcmp(reader.words[0], hostnqn) == 0)
			result = line_check(&reader);
	}
	/* Lengths were checked: these are secrets. */
	if (result == 0)
		strcpy(keys->host, reader.words[1]);
	if (result == 0 && reader.word_count == 3)
		strcpy(keys->controller, reader.words[2]);
	reader_close(&reader);
	return result;
}
