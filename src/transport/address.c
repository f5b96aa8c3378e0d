/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket addresses. Pure functions; any thread.
 */
#include "transport/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int rdmat_address_parse(const char *text, uint16_t port, struct sockaddr_storage *addr)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)addr;

	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return 0;
	}
	return -EINVAL;
}

bool rdmat_address_is_any(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET)
		return ((const struct sockaddr_in *)addr)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)addr)->sin6_addr);
}

void rdmat_address_format(const void *addr, char *buf, size_t len)
{
	const struct sockaddr_in *v4 = addr;
	const struct sockaddr_in6 *v6 = addr;
	const void *raw = v4->sin_family == AF_INET6 ? (const void *)&v6->sin6_addr :
						       (const void *)&v4->sin_addr;

	if (!inet_ntop(v4->sin_family, raw, buf, (socklen_t)len))
		snprintf(buf, len, "unknown");
}

uint16_t rdmat_address_port(const void *addr)
{
	const struct sockaddr_in *v4 = addr;
	const struct sockaddr_in6 *v6 = addr;

	return ntohs(v4->sin_family == AF_INET6 ? v6->sin6_port : v4->sin_port);
}
