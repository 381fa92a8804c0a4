// Sends UDP datagrams as fast as one core can, or at a given rate; prints packets, octets of payload, ns.
//
//   flood ADDRESS PORT PAYLOAD PACKETS RATE SEGMENTS
//
// RATE is packets a second (0: no limit). With SEGMENTS > 1 one send carries as many datagrams of PAYLOAD
// octets (UDP_SEGMENT, udp(7)), as QUIC senders do. SPDX-License-Identifier: MIT

#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define BATCH 64

static char payload[65000];

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int connected(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST }, *found;
	int fd;

	if (getaddrinfo(address, port, &hints, &found))
		return -1;
	fd = socket(found->ai_family, SOCK_DGRAM, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec part = { .iov_base = payload };
	long long size, wanted, rate, sent = 0, start;
	int fd, segments;

	if (argc != 7)
		return 2;
	size = atoll(argv[3]);
	wanted = atoll(argv[4]);
	rate = atoll(argv[5]);
	segments = atoi(argv[6]);
	part.iov_len = size * segments;
	if (part.iov_len > sizeof(payload))
		return 2;
	fd = connected(argv[1], argv[2]);
	if (fd < 0)
		return fail("socket");
	if (segments > 1) {
		int each = size;

		if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &each, sizeof(each)))
			return fail("UDP_SEGMENT");
	}
	for (int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = &part;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	start = now_ns();
	while (sent < wanted) {
		long long left = (wanted - sent + segments - 1) / segments;
		int done = sendmmsg(fd, messages, left < BATCH ? left : BATCH, 0);

		if (done < 0 && errno != ECONNREFUSED)  // nobody listens, and says so: send on
			return fail("sendmmsg");
		if (done < 0)
			continue;
		sent += (long long)done * segments;
		while (rate && sent * 1000000000LL / rate > now_ns() - start)
			;
	}
	printf("%lld %lld %lld\n", sent, sent * size, now_ns() - start);
	return 0;
}
