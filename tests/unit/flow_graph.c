/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow-graph: prints the state machines of requests and queue pairs as docs/flow.md shows them.
 * With --check FILE it compares that with what stands in FILE between the markers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/qp.h"

#define BEGIN "<!-- states begin -->\n"
#define END   "<!-- states end -->\n"

static const char *const hold_names[] = {"receive slot",     "buffers",      "WR chain",
					 "send-queue slots", "READ credits", "the backend's hold",
					 "the turn"};

static void holds_print(FILE *out, uint32_t holds)
{
	const char *between = "";

	if (!holds)
		fputs("nothing", out);
	if (holds == RDMAT_HOLD_ALL) {
		fputs("any of these", out);
		return;
	}
	for (unsigned i = 0; i < sizeof(hold_names) / sizeof(hold_names[0]); i++) {
		if (!(holds >> i & 1))
			continue;
		fprintf(out, "%s%s", between, hold_names[i]);
		between = ", ";
	}
}

static void request_graph(FILE *out)
{
	fputs("```mermaid\nstateDiagram-v2\n\t[*] --> FREE\n", out);
	for (unsigned from = 0; from < RDMAT_REQUEST_STATE_COUNT; from++)
		for (unsigned to = 0; to < RDMAT_REQUEST_STATE_COUNT; to++)
			if (rdmat_request_states[from].successors >> to & 1)
				fprintf(out, "\t%s --> %s\n", rdmat_request_states[from].name,
					rdmat_request_states[to].name);
	fputs("```\n", out);
}

static void request_table(FILE *out)
{
	fputs("| state | what happens | may hold | next |\n|---|---|---|---|\n", out);
	for (unsigned from = 0; from < RDMAT_REQUEST_STATE_COUNT; from++) {
		const struct rdmat_request_state_info *info = &rdmat_request_states[from];
		const char *between = "";

		fprintf(out, "| %s | %s | ", info->name, info->what);
		holds_print(out, info->holds);
		fputs(" | ", out);
		for (unsigned to = 0; to < RDMAT_REQUEST_STATE_COUNT; to++) {
			if (!(info->successors >> to & 1))
				continue;
			fprintf(out, "%s%s", between, rdmat_request_states[to].name);
			between = ", ";
		}
		fputs(" |\n", out);
	}
}

static void qp_graph(FILE *out)
{
	fputs("```mermaid\nstateDiagram-v2\n\t[*] --> CONNECTING\n", out);
	for (unsigned from = 0; from < RDMAT_QP_STATE_COUNT; from++)
		for (unsigned to = 0; to < RDMAT_QP_STATE_COUNT; to++)
			if (rdmat_qp_states[from].successors >> to & 1)
				fprintf(out, "\t%s --> %s\n", rdmat_qp_states[from].name,
					rdmat_qp_states[to].name);
	fputs("\tGONE --> [*]\n```\n", out);
}

static void qp_table(FILE *out)
{
	fputs("| state | what it means | next |\n|---|---|---|\n", out);
	for (unsigned from = 0; from < RDMAT_QP_STATE_COUNT; from++) {
		const struct rdmat_qp_state_info *info = &rdmat_qp_states[from];
		const char *between = "";

		fprintf(out, "| %s | %s | ", info->name, info->what);
		for (unsigned to = 0; to < RDMAT_QP_STATE_COUNT; to++) {
			if (!(info->successors >> to & 1))
				continue;
			fprintf(out, "%s%s", between, rdmat_qp_states[to].name);
			between = ", ";
		}
		fprintf(out, "%s |\n", info->successors ? "" : "none");
	}
}

static void print_all(FILE *out)
{
	fputs("Requests:\n\n", out);
	request_graph(out);
	fputc('\n', out);
	request_table(out);
	fputs("\nQueue pairs:\n\n", out);
	qp_graph(out);
	fputc('\n', out);
	qp_table(out);
}

static char *file_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	if (!file || !text || fread(text, 1, (1 << 20) - 1, file) == 0) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	fclose(file);
	return text;
}

static int check(const char *path, const char *want)
{
	char *text = file_read(path), *begin, *end;

	begin = strstr(text, BEGIN);
	end = begin ? strstr(begin, END) : NULL;
	if (!end) {
		fprintf(stderr, "%s: no \"states begin\" and \"states end\" markers\n", path);
		free(text);
		return 1;
	}
	begin += strlen(BEGIN);
	if ((size_t)(end - begin) != strlen(want) || memcmp(begin, want, strlen(want)) != 0) {
		fprintf(stderr, "%s is not what the tables say; between the markers must be:\n%s",
			path, want);
		free(text);
		return 1;
	}
	free(text);
	return 0;
}

int main(int argc, char **argv)
{
	char *want = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&want, &len);
	int rc = 0;

	if (!out)
		return 1;
	print_all(out);
	fclose(out);
	if (argc == 3 && strcmp(argv[1], "--check") == 0)
		rc = check(argv[2], want);
	else
		fputs(want, stdout);
	free(want);
	return rc;
}
