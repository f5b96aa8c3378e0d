/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics: what the poll groups counted since the last line, per second and per command. Main thread.
 */
#include <inttypes.h>
#include <time.h>

#include "stats.h"

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void stats_init(struct stats *stats, uint32_t interval_s)
{
	*stats = (struct stats){.interval_ms = (uint64_t)interval_s * 1000, .last_ms = now_ms()};
	stats->due_ms = stats->last_ms + stats->interval_ms;
}

static void stats_sum(struct wrasse_poll_group_stats *sum, struct worker *const *workers,
		      unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct wrasse_poll_group_stats one;

		wrasse_poll_group_get_stats(worker_group(workers[i]), &one, sizeof(one));
		sum->queue_pairs += one.queue_pairs;
		sum->capsules += one.capsules;
		sum->completions += one.completions;
		sum->send_posts += one.send_posts;
		sum->reads += one.reads;
		sum->writes += one.writes;
		sum->read_bytes += one.read_bytes;
		sum->write_bytes += one.write_bytes;
		sum->errors += one.errors;
		sum->hostile += one.hostile;
	}
}

static void line_print(const struct wrasse_poll_group_stats *sum,
		       const struct wrasse_poll_group_stats *last, double seconds, FILE *out)
{
	uint64_t commands = sum->capsules - last->capsules;
	double per = commands ? 1.0 / (double)commands : 0;

	fprintf(out,
		"stats: queue pairs %" PRIu64 ", reads %.0f/s %.1f MB/s, writes %.0f/s %.1f MB/s, "
		"per command %.2f completions %.2f posts, errors %" PRIu64 ", hostile %" PRIu64
		"\n",
		sum->queue_pairs, (double)(sum->reads - last->reads) / seconds,
		(double)(sum->read_bytes - last->read_bytes) / seconds / 1e6,
		(double)(sum->writes - last->writes) / seconds,
		(double)(sum->write_bytes - last->write_bytes) / seconds / 1e6,
		(double)(sum->completions - last->completions) * per,
		(double)(sum->send_posts - last->send_posts) * per, sum->errors, sum->hostile);
	fflush(out);
}

int stats_print(struct stats *stats, struct worker *const *workers, unsigned count, FILE *out)
{
	struct wrasse_poll_group_stats sum = {0};
	uint64_t now;

	if (!stats->interval_ms)
		return -1;
	now = now_ms();
	if (now < stats->due_ms)
		return (int)(stats->due_ms - now);
	stats_sum(&sum, workers, count);
	line_print(&sum, &stats->last, (double)(now - stats->last_ms) / 1e3, out);
	stats->last = sum;
	stats->last_ms = now;
	while (stats->due_ms <= now)
		stats->due_ms += stats->interval_ms;
	return (int)(stats->due_ms - now);
}
