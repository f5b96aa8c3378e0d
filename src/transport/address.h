/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket addresses: numeric text, IPv4 or IPv6, and back.
 */
#ifndef WRASSE_TRANSPORT_ADDRESS_H
#define WRASSE_TRANSPORT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Return: 0; -EINVAL if the text is no numeric address. */
int rdmat_address_parse(const char *text, uint16_t port, struct sockaddr_storage *addr);

bool rdmat_address_is_any(const struct sockaddr_storage *addr);

/* @addr: any struct sockaddr. @buf: 64 bytes are enough. */
void rdmat_address_format(const void *addr, char *buf, size_t len);

/* @addr: any struct sockaddr. */
uint16_t rdmat_address_port(const void *addr);

#endif
