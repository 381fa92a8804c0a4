// SPDX-License-Identifier: MIT
// The kernel meter: a passive socket filter that counts every packet of the watched interfaces
// and lets none of them through to user space.
//
// It sits on AF_PACKET, SOCK_RAW sockets, one bound to each interface: offset 0 is the link header where the link has one, else the
// IP header, and skb->len is the frame as the socket would get it. The rules of decoding are those of
// decode.py, which is compared with this program packet by packet.

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PROTOCOL_OTHER 256  // one past the octet IANA numbers: what is not IP, or not well-formed IP
#define EXTENSIONS_MAX 6
#define TAGS_MAX 2

#define LINK_ETHERNET 1
#define LINK_RAW 2
#define LINK_LOOPBACK 3  // Ethernet header, and every packet crosses twice: the way out is not counted

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_PPPOE 0x8864
#define ETHERTYPE_MPLS 0x8847
#define ETHERTYPE_MPLS_MULTICAST 0x8848
#define MPLS_LABELS_MAX 8
#define LENGTH_MAX 1500  // IEEE 802.3, 3.2.6: an ethertype up to this is a length, and LLC follows
#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057

#define PACKET_OUTGOING 4

// What separates one counter from the next. No padding: every octet is compared.
struct flow_key {
	__u32 point;
	__u16 vlan;
	__u16 protocol;
	__u16 service;
	__u8 source_mac[6];
	__u8 target_mac[6];
	__u16 zero;
	__u8 source[16];  // IPv4 is IPv4-mapped (RFC 4291, section 2.5.5.2)
	__u8 target[16];
};

// Where the flow map is full: the pair of link addresses alone.
struct pair_key {
	__u32 point;
	__u8 source_mac[6];
	__u8 target_mac[6];
};

struct counts {
	__u64 octets;
	__u64 packets;
};

// How to read an interface's packets. User space writes it, and only while no packet of it comes here.
struct point {
	__u32 link;
	__u32 point; // its number in the keys: an interface that comes back under another index keeps it
	__u32 index; // whose it is; 0: nobody's
	__u32 place; // of what it receives in even epochs, in the map of totals
};

// One direction of one interface, as it sees it, in one epoch on one CPU.
struct way {
	__u64 packets; // as the interface counts them: a giant packet once
	__u64 frames;  // their octets of layer 2
	__u64 more_packets; // what giant packets are more on the wire, where they are cut to segments
	__u64 more_frames;
	__u64 tags;    // octets of VLAN tags that the kernel keeps beside their frames: in none of the above
	__u64 lost_packets; // what found no place in any map
	__u64 lost_octets;
};

struct state {
	__u64 meter;  // names this set of maps
	__u64 epoch;  // its last bit is the map being written; the other one is user space's
};

#define MAP_PER_CPU(name, key_type, entries)                 \
	struct {                                                 \
		__uint(type, BPF_MAP_TYPE_PERCPU_HASH);              \
		__uint(max_entries, entries);                        \
		__type(key, key_type);                               \
		__type(value, struct counts);                        \
	} name SEC(".maps")

MAP_PER_CPU(flows_0, struct flow_key, 65536);
MAP_PER_CPU(flows_1, struct flow_key, 65536);
MAP_PER_CPU(pairs_0, struct pair_key, 4096);
MAP_PER_CPU(pairs_1, struct pair_key, 4096);

// An interface's place is the one its index says, or one of the next few: an array takes no hash to find it.
#define POINTS 64
#define PLACES 4
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, POINTS);
	__type(key, __u32);
	__type(value, struct point);
} points SEC(".maps");

// Totals turn with the flows, so that those of an epoch are of just the packets in its flows: what is received in even
// epochs, what is sent in them, and the same of odd ones.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4 * POINTS);
	__type(key, __u32);
	__type(value, struct way);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} state SEC(".maps");

// The program never looks at these two. Updating a map of maps makes the kernel wait until no program
// that could have seen the old value still runs: that is how user space knows that nobody writes any
// more to the map it is about to drain.
struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} grace_inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct inner);
} grace SEC(".maps") = {
	.values = { &grace_inner },
};

static __always_inline struct point *find_point(__u32 index)
{
#pragma unroll
	for (__u32 i = 0; i < PLACES; i++) {
		__u32 place = (index + i) & (POINTS - 1);
		struct point *point = bpf_map_lookup_elem(&points, &place);

		if (point && point->index == index)
			return point;
	}
	return 0;
}

static __always_inline int has_ports(__u16 protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 33 || protocol == 136;
}

static __always_inline __u16 lower_port(const __be16 *ports)
{
	__u16 source = bpf_ntohs(ports[0]), target = bpf_ntohs(ports[1]);

	return source < target ? source : target;
}

static __always_inline void map_ipv4(__u8 *to, __be32 address)
{
	*(__u64 *)to = 0;
	*(__be32 *)(to + 8) = bpf_htonl(0xffff);
	*(__be32 *)(to + 12) = address;
}

// Octets of TCP or UDP header at `at`; what a giant packet repeats in each segment beside the IP header.
static __always_inline __u32 transport_header(struct __sk_buff *skb, __u16 protocol, __u32 at)
{
	__u8 data_offset;

	if (protocol == 17)
		return 8;
	if (protocol != 6 || bpf_skb_load_bytes(skb, at + 12, &data_offset, 1) < 0)
		return 0;
	return (data_offset >> 4) * 4;
}

// Adds to the counter of `key`, making it when it is new; false when the map is full.
static __always_inline int add(void *map, const void *key, __u64 octets, __u64 packets)
{
	struct counts *counts = bpf_map_lookup_elem(map, key);

	if (!counts) {
		struct counts none = {};

		// Another CPU may be first (BPF_NOEXIST): the look-up that follows finds its entry.
		bpf_map_update_elem(map, key, &none, BPF_NOEXIST);
		counts = bpf_map_lookup_elem(map, key);
		if (!counts)
			return 0;
	}
	counts->octets += octets;
	counts->packets += packets;
	return 1;
}

static __always_inline int add_pair(void *map, const struct flow_key *key, __u64 octets, __u64 packets)
{
	struct pair_key pair = { .point = key->point };

	__builtin_memcpy(pair.source_mac, key->source_mac, 12);
	return add(map, &pair, octets, packets);
}

// The IPv4 header at `at` (RFC 791). Returns the octets of its header, or 0 when it is none.
static __always_inline __u32 read_ipv4(struct __sk_buff *skb, __u32 at, struct flow_key *key, __u32 *octets)
{
	__u8 ip[20];
	__u32 header, total;

	if (bpf_skb_load_bytes(skb, at, ip, sizeof(ip)) < 0)
		return 0;
	header = (ip[0] & 0x0f) * 4;
	if (ip[0] >> 4 != 4 || header < 20)
		return 0;
	total = (__u32)ip[2] << 8 | ip[3];
	if (total >= 20 && total <= *octets)
		*octets = total;
	key->protocol = ip[9];
	map_ipv4(key->source, *(__be32 *)(ip + 12));
	map_ipv4(key->target, *(__be32 *)(ip + 16));
	if (!((ip[6] & 0x1f) | ip[7]) && has_ports(key->protocol)) {
		__be16 ports[2];

		if (bpf_skb_load_bytes(skb, at + header, ports, sizeof(ports)) == 0)
			key->service = lower_port(ports);
	}
	return header;
}

// The IPv6 header at `at` with its extension headers (RFC 8200, section 4). Returns the octets of all
// of them, or 0 when it is none.
static __always_inline __u32 read_ipv6(struct __sk_buff *skb, __u32 at, struct flow_key *key, __u32 *octets)
{
	__u8 ip[40];
	__u32 total, header = 40;
	__u8 next;
	int ports = 1;

	if (bpf_skb_load_bytes(skb, at, ip, sizeof(ip)) < 0)
		return 0;
	if (ip[0] >> 4 != 6)
		return 0;
	total = ((__u32)ip[4] << 8 | ip[5]) + 40;
	if (total > 40 && total <= *octets)
		*octets = total;
	__builtin_memcpy(key->source, ip + 8, 32);
	next = ip[6];
#pragma clang loop unroll(disable)
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		__u8 extension[4];

		if (next != 0 && next != 43 && next != 60 && next != 135 && next != 44 && next != 51)
			break;
		if (bpf_skb_load_bytes(skb, at + header, extension, sizeof(extension)) < 0) {
			ports = 0;
			break;
		}
		if (next == 44) {
			header += 8;
			if (((__u32)extension[2] << 8 | extension[3]) & 0xfff8)
				ports = 0;
		} else if (next == 51) {
			header += (extension[1] + 2) * 4;
		} else {
			header += (extension[1] + 1) * 8;
		}
		next = extension[0];
		if (!ports)
			break;
	}
	key->protocol = next;
	if (ports && has_ports(next)) {
		__be16 pair[2];

		if (bpf_skb_load_bytes(skb, at + header, pair, sizeof(pair)) == 0)
			key->service = lower_port(pair);
	}
	return header;
}

// Moves `at` behind an LLC header (IEEE 802.2; SNAP, RFC 1042) that stands there, `ethertype` to what it carries.
static __always_inline void read_llc(struct __sk_buff *skb, __u32 *at, __u16 *ethertype)
{
	__u8 llc[8];

	if (bpf_skb_load_bytes(skb, *at, llc, sizeof(llc)) == 0 && llc[0] == 0xaa && llc[1] == 0xaa && llc[2] == 3 &&
	    !llc[3] && !llc[4] && (!llc[5] || llc[5] == 0xf8)) {
		*at += 8;
		*ethertype = (__u16)llc[6] << 8 | llc[7];
	} else if (bpf_skb_load_bytes(skb, *at, llc, 3) == 0 && llc[0] == 6 && llc[1] == 6 && llc[2] == 3) {
		*at += 3;
		*ethertype = ETHERTYPE_IPV4;
	}
}

// The ethertype of the IP behind the label stack at `*at` (RFC 3032, section 2.1), which moves behind it; else 0.
// Labels do not say what they carry: its first four bits do (RFC 4928, section 3).
static __always_inline __u16 read_mpls(struct __sk_buff *skb, __u32 *at)
{
	__u8 label[5];

	// Not unrolled, as below: on 32-bit kernels before Linux 6.7 a socket takes a program of 10,240 octets at most
	// (net.core.optmem_max), with what loading adds to it.
#pragma clang loop unroll(disable)
	for (int i = 0; i < MPLS_LABELS_MAX; i++) {
		if (bpf_skb_load_bytes(skb, *at + i * 4, label, sizeof(label)) < 0)
			return 0;
		if (label[2] & 1) {
			*at += i * 4 + 4;
			return label[4] >> 4 == 4 ? ETHERTYPE_IPV4 : label[4] >> 4 == 6 ? ETHERTYPE_IPV6 : 0;
		}
	}
	return 0;
}

// A packet of any shape, header by header. Returns where its IP header starts; `*header` is the octets
// of the IP header (0: not IP).
static __always_inline __u32 read_any(struct __sk_buff *skb, __u32 link, struct flow_key *key,
				      __u32 *octets, __u32 *header)
{
	__u32 at = 0, length = skb->len;
	__u16 ethertype = 0;
	__u8 version = 0;

	*octets = length;
	*header = 0;
	key->protocol = PROTOCOL_OTHER;
	if (link != LINK_RAW) {
		__u8 ethernet[14];

		if (bpf_skb_load_bytes(skb, 0, ethernet, sizeof(ethernet)) < 0)
			return 0;
		__builtin_memcpy(key->target_mac, ethernet, 6);
		__builtin_memcpy(key->source_mac, ethernet + 6, 6);
		ethertype = (__u16)ethernet[12] << 8 | ethernet[13];
		at = 14;
#pragma unroll
		for (int i = 0; i < TAGS_MAX; i++) {
			__be16 tag[2];

			if (ethertype != 0x8100 && ethertype != 0x88a8 && ethertype != 0x9100)
				break;
			if (i == TAGS_MAX - 1 && skb->vlan_present)
				break;  // the one beside the frame is the first
			if (bpf_skb_load_bytes(skb, at, tag, sizeof(tag)) < 0)
				break;
			if (i == 0 && !skb->vlan_present)
				key->vlan = bpf_ntohs(tag[0]) & 0x0fff;
			ethertype = bpf_ntohs(tag[1]);
			at += 4;
		}
		if (ethertype <= LENGTH_MAX)
			read_llc(skb, &at, &ethertype);
		*octets = length - at;
		key->service = ethertype;
		if (ethertype == ETHERTYPE_PPPOE) {
			__be16 ppp;

			if (bpf_skb_load_bytes(skb, at + 6, &ppp, sizeof(ppp)) < 0)
				return at;
			if (ppp == bpf_htons(PPP_IPV4))
				ethertype = ETHERTYPE_IPV4;
			else if (ppp == bpf_htons(PPP_IPV6))
				ethertype = ETHERTYPE_IPV6;
			else
				return at;
			at += 8;
		} else if (ethertype == ETHERTYPE_MPLS || ethertype == ETHERTYPE_MPLS_MULTICAST) {
			ethertype = read_mpls(skb, &at);
		}
	} else {
		if (bpf_skb_load_bytes(skb, 0, &version, 1) < 0)
			return 0;
		ethertype = version >> 4 == 4 ? ETHERTYPE_IPV4 : version >> 4 == 6 ? ETHERTYPE_IPV6 : 0;
	}

	__u32 available = length - at;
	__u16 service = key->service;

	key->service = 0;
	if (ethertype == ETHERTYPE_IPV4)
		*header = read_ipv4(skb, at, key, &available);
	else if (ethertype == ETHERTYPE_IPV6)
		*header = read_ipv6(skb, at, key, &available);
	if (*header)
		*octets = available;
	else
		key->service = service;
	return at;
}

SEC("socket")
int meter(struct __sk_buff *skb)
{
	struct {
		__u8 pad[2];  // keeps what follows the Ethernet header aligned
		__u8 target_mac[6], source_mac[6];
		__be16 ethertype;
		union {
			__u8 bytes[40];
			__be16 halves[20];
			__be32 words[10];
		};
	} head;
	struct flow_key key;
	struct point *point;
	struct state *now;
	struct way *way;
	__u32 length = skb->len, zero = 0, place, odd;
	__u32 octets, at = 14, header = 0, segments;
	int out = skb->pkt_type == PACKET_OUTGOING, kept;

	if (!skb->ifindex)
		return 0;
	point = find_point(skb->ifindex);
	if (!point || (point->link == LINK_LOOPBACK && out))
		return 0;
	now = bpf_map_lookup_elem(&state, &zero);
	if (!now)
		return 0;
	odd = *(volatile __u64 *)&now->epoch & 1;  // read once: all that follows is of one epoch
	place = point->place + (2 * odd + out) * POINTS;
	way = bpf_map_lookup_elem(&totals, &place);
	if (!way)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	key.point = point->point;
	if (skb->vlan_present) {
		key.vlan = skb->vlan_tci & 0x0fff;
		way->tags += 4 * (skb->gso_segs ? skb->gso_segs : 1);
	}

	// The common packet takes one read: Ethernet, then IPv4 without options, or IPv6, then its ports.
	octets = length - 14;
	if (point->link != LINK_RAW && bpf_skb_load_bytes(skb, 0, head.target_mac, 54) == 0) {
		__builtin_memcpy(key.target_mac, head.target_mac, 6);
		__builtin_memcpy(key.source_mac, head.source_mac, 6);
		if (head.ethertype == bpf_htons(ETHERTYPE_IPV4) && head.bytes[0] == 0x45) {
			__u32 total = bpf_ntohs(head.halves[1]);

			header = 20;
			if (total >= 20 && total <= octets)
				octets = total;
			key.protocol = head.bytes[9];
			map_ipv4(key.source, head.words[3]);
			map_ipv4(key.target, head.words[4]);
			if (!(head.halves[3] & bpf_htons(0x1fff)) && has_ports(key.protocol))
				key.service = lower_port(&head.halves[10]);
		} else if (head.ethertype == bpf_htons(ETHERTYPE_IPV6) && head.bytes[0] >> 4 == 6 &&
			   (head.bytes[6] == 6 || head.bytes[6] == 17)) {
			__u32 total = bpf_ntohs(head.halves[2]) + 40;
			__be16 ports[2];

			header = 40;
			if (total > 40 && total <= octets)
				octets = total;
			key.protocol = head.bytes[6];
			__builtin_memcpy(key.source, head.bytes + 8, 32);
			if (bpf_skb_load_bytes(skb, 54, ports, sizeof(ports)) == 0)
				key.service = lower_port(ports);
		}
	}
	if (!header)
		at = read_any(skb, point->link, &key, &octets, &header);

	// TSO and GRO hand over one giant packet for many on the wire: each has all the headers again.
	segments = skb->gso_segs;
	if (skb->gso_size && header) {
		__u32 headers = header + transport_header(skb, key.protocol, at + header);

		octets = length - at;
		if (!segments && octets > headers)
			segments = (octets - headers + skb->gso_size - 1) / skb->gso_size;
		if (segments > 1) {
			way->more_frames += (segments - 1) * (at + headers);
			octets += (segments - 1) * headers;
		}
	}
	if (segments > 1)
		way->more_packets += segments - 1;
	else
		segments = 1;

	way->packets++;
	way->frames += length;

	if (odd)
		kept = add(&flows_1, &key, octets, segments) || add_pair(&pairs_1, &key, octets, segments);
	else
		kept = add(&flows_0, &key, octets, segments) || add_pair(&pairs_0, &key, octets, segments);
	if (!kept) {
		way->lost_packets += segments;
		way->lost_octets += octets;
	}
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
