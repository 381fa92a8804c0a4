// Many devices at once: small UDP frames from forged MACs and addresses, at a given rate, on one link.
//
//   crowd LINK GATEWAY_MAC DEVICES FLOWS_EACH PACKETS RATE
//
// Device d is 02:50:00:01:00:d at 192.168.51.(d+1); its flow f goes to 198.51.100.(f%250+1), port 443+f/250
// (RFC 5737). Frames are 64 octets with the checksum a card would add. Prints packets and ns.
// SPDX-License-Identifier: MIT

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define FRAME 60

struct frame {
	struct ether_header link;
	struct iphdr ip;
	struct udphdr udp;
	uint8_t payload[FRAME - 42];
} __attribute__((packed));

static struct frame frames[BATCH];

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static uint16_t checksum(const void *header)
{
	uint16_t words[10];
	uint32_t sum = 0;

	memcpy(words, header, sizeof(words));
	for (int i = 0; i < 10; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

static void shape(struct frame *frame, const uint8_t *gateway)
{
	memcpy(frame->link.ether_dhost, gateway, 6);
	memcpy(frame->link.ether_shost, "\x02\x50\x00\x01\x00\x00", 6);
	frame->link.ether_type = htons(ETHERTYPE_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_UDP;
	frame->ip.tot_len = htons(FRAME - sizeof(frame->link));
	frame->udp.source = htons(50000);
	frame->udp.len = htons(FRAME - sizeof(frame->link) - sizeof(frame->ip));
}

static void address(struct frame *frame, int device, int flow)
{
	frame->link.ether_shost[5] = device;
	frame->ip.saddr = htonl(0xc0a83301 + device);
	frame->ip.daddr = htonl(0xc6336401 + flow % 250);
	frame->udp.dest = htons(443 + flow / 250);
	frame->ip.check = 0;
	frame->ip.check = checksum(&frame->ip);
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];
	unsigned int mac[6];
	uint8_t gateway[6];
	long long wanted, rate, sent = 0, start;
	int fd, devices, flows, yes = 1;

	if (argc != 7 || sscanf(argv[2], "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
		return 2;
	for (int i = 0; i < 6; i++)
		gateway[i] = mac[i];
	devices = atoi(argv[3]);
	flows = atoi(argv[4]);
	wanted = atoll(argv[5]);
	rate = atoll(argv[6]);
	to.sll_ifindex = if_nametoindex(argv[1]);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("socket");
		return 1;
	}
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes));
	for (int i = 0; i < BATCH; i++) {
		shape(&frames[i], gateway);
		parts[i] = (struct iovec){ &frames[i], FRAME };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	start = now_ns();
	while (sent < wanted) {
		int batch = wanted - sent < BATCH ? wanted - sent : BATCH, done;

		for (int i = 0; i < batch; i++)
			address(&frames[i], (sent + i) % devices, (sent + i) / devices % flows);
		done = sendmmsg(fd, messages, batch, 0);
		if (done < 0) {
			perror("sendmmsg");
			return 1;
		}
		sent += done;
		for (long long ahead; rate && (ahead = sent * 1000000000LL / rate - (now_ns() - start)) > 0;)
			if (ahead > 200000)  // leave the core to others; the rest is waited for awake
				nanosleep(&(struct timespec){ .tv_nsec = ahead - 100000 }, NULL);
	}
	printf("%lld %lld\n", sent, now_ns() - start);
	return 0;
}
