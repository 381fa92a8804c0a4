// Sends UDP frames from addresses that nobody has: forge INTERFACE TARGET_MAC PACKETS
//
// Every frame has a source MAC (locally administered) and a source address (192.168.0.0/16) of its own,
// drawn at random. Prints packets sent. SPDX-License-Identifier: MIT

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define FRAME 64

static uint64_t state = 88172645463325252ULL;

static uint64_t drawn(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void forge(uint8_t *frame, const uint8_t *target)
{
	uint64_t random = drawn();
	uint32_t to = htonl(0xcb007102);  // 203.0.113.2

	memset(frame, 0, FRAME);
	memcpy(frame, target, 6);
	memcpy(frame + 6, &random, 6);
	frame[6] = 0x02;
	frame[12] = 0x08;
	frame[14] = 0x45;
	frame[17] = FRAME - 14;
	frame[22] = 1;  // time to live: it dies in the gateway
	frame[23] = 17;
	frame[26] = 192;
	frame[27] = 168;
	memcpy(frame + 28, (uint8_t *)&random + 6, 2);
	memcpy(frame + 30, &to, 4);
	frame[35] = 9;
	frame[37] = 9;
	frame[39] = FRAME - 34;
}

int main(int count, char **words)
{
	static uint8_t frames[BATCH][FRAME];
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint8_t target[6];
	unsigned int mac[6];
	long left;

	if (count != 4 || sscanf(words[2], "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
		return 2;
	for (int i = 0; i < 6; i++)
		target[i] = mac[i];
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = if_nametoindex(words[1]) };
	int sock = socket(AF_PACKET, SOCK_RAW, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&to, sizeof(to)) < 0)
		return perror("forge"), 1;
	left = atol(words[3]);
	long sent = 0;
	while (sent < left) {
		int batch = left - sent < BATCH ? left - sent : BATCH;
		memset(messages, 0, sizeof(messages));
		for (int i = 0; i < batch; i++) {
			forge(frames[i], target);
			parts[i] = (struct iovec){ frames[i], FRAME };
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		int done = sendmmsg(sock, messages, batch, 0);
		if (done < 0 && errno != ENOBUFS)
			return perror("forge"), 1;
		if (done > 0)
			sent += done;
	}
	printf("%ld\n", sent);
	return 0;
}
