/* The yardstick: what a line broadcast costs in bare C on epoll.

   Reads all that is readable, one batch per round, one send per peer, the sender's own left out. No limits, no
   accounting, no log. Listens on 127.0.0.1. Ends with its standard input.

   cc -O2 -o yardstick yardstick.c && ./yardstick PORT */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ = 256000, EVENTS = 1024, PEERS = 65536, PIECES = 1024 };

struct peer {
    int fd, index, waiting;
    char *held;             /* the unfinished line */
    size_t held_size;
    char *pending;          /* what the kernel did not take */
    size_t pending_size;
};

struct piece { struct peer *sender; size_t start, end; };

static struct peer *peers[PEERS];
static int peer_count;
static char *batch;
static size_t batch_size, batch_room;
static struct piece *pieces;
static int piece_count, piece_room;
static int epoll;

static void grow(char **data, size_t *room, size_t need) {
    if (need > *room) {
        *room = need * 2;
        *data = realloc(*data, *room);
        if (!*data) abort();
    }
}

static void watch(struct peer *peer, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = peer};
    epoll_ctl(epoll, operation, peer->fd, &event);
}

static void drop(struct peer *peer) {
    close(peer->fd);
    peers[peer->index] = peers[--peer_count];
    peers[peer->index]->index = peer->index;
    for (int i = 0; i < piece_count; i++)
        if (pieces[i].sender == peer) pieces[i].sender = NULL;
    free(peer->held);
    free(peer->pending);
    free(peer);
}

static void keep(struct peer *peer, const struct iovec *parts, int count, size_t sent) {
    size_t total = peer->pending_size;
    for (int i = 0; i < count; i++) total += parts[i].iov_len;
    peer->pending = realloc(peer->pending, total);
    if (!peer->pending) abort();
    for (int i = 0; i < count; i++) {
        size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        sent -= skip;
        memcpy(peer->pending + peer->pending_size, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
        peer->pending_size += parts[i].iov_len - skip;
    }
    if (!peer->waiting) {
        peer->waiting = 1;
        watch(peer, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
}

static void give(struct peer *peer, struct iovec *parts, int count) {
    size_t total = 0;
    for (int i = 0; i < count; i++) total += parts[i].iov_len;
    if (!total) return;
    ssize_t sent = 0;
    if (!peer->pending_size) {
        if (count == 1)
            sent = send(peer->fd, parts[0].iov_base, total, MSG_NOSIGNAL);
        else {
            struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
            sent = sendmsg(peer->fd, &message, MSG_NOSIGNAL);
        }
        if (sent < 0) sent = 0;
    }
    if ((size_t)sent < total) keep(peer, parts, count, (size_t)sent);
}

static void flush(void) {
    static struct iovec parts[PIECES + 1];
    for (int i = 0; i < peer_count; i++) {
        struct peer *peer = peers[i];
        int count = 0;
        size_t start = 0;
        for (int j = 0; piece_count <= PIECES && j < piece_count; j++) {
            if (pieces[j].sender != peer) continue;
            if (pieces[j].start > start)
                parts[count++] = (struct iovec){batch + start, pieces[j].start - start};
            start = pieces[j].end;
        }
        if (start < batch_size) parts[count++] = (struct iovec){batch + start, batch_size - start};
        give(peer, parts, count);
    }
    batch_size = 0;
    piece_count = 0;
}

static void hear(struct peer *peer) {
    static char chunk[READ];
    ssize_t size = recv(peer->fd, chunk, sizeof chunk, 0);
    if (size <= 0) {
        drop(peer);
        return;
    }
    char *last = memrchr(chunk, '\n', (size_t)size);
    size_t whole = last ? (size_t)(last - chunk) + 1 : 0;
    if (whole) {
        if (piece_count == piece_room) {
            piece_room = piece_room * 2 + 16;
            pieces = realloc(pieces, (size_t)piece_room * sizeof *pieces);
            if (!pieces) abort();
        }
        size_t start = batch_size;
        grow(&batch, &batch_room, batch_size + peer->held_size + whole);
        memcpy(batch + batch_size, peer->held, peer->held_size);
        batch_size += peer->held_size;
        memcpy(batch + batch_size, chunk, whole);
        batch_size += whole;
        peer->held_size = 0;
        pieces[piece_count++] = (struct piece){peer, start, batch_size};
    }
    if (whole < (size_t)size) {
        peer->held = realloc(peer->held, peer->held_size + (size_t)size - whole);
        if (!peer->held) abort();
        memcpy(peer->held + peer->held_size, chunk + whole, (size_t)size - whole);
        peer->held_size += (size_t)size - whole;
    }
}

static void take_on(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct peer *peer = calloc(1, sizeof *peer);
        if (!peer || peer_count == PEERS) abort();
        peer->fd = fd;
        peer->index = peer_count;
        peers[peer_count++] = peer;
        watch(peer, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void pass_on(struct peer *peer) {
    ssize_t sent = send(peer->fd, peer->pending, peer->pending_size, MSG_NOSIGNAL);
    if (sent < 0) return;
    peer->pending_size -= (size_t)sent;
    memmove(peer->pending, peer->pending + sent, peer->pending_size);
    if (!peer->pending_size) {
        peer->waiting = 0;
        watch(peer, EPOLL_CTL_MOD, EPOLLIN);
    }
}

int main(int argc, char **argv) {
    static struct epoll_event events[EVENTS];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc != 2) return 2;
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) return 1;
    epoll = epoll_create1(0);
    struct epoll_event listening = {.events = EPOLLIN, .data.ptr = &listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (!what) return 0;
            if (what == &listener) {
                take_on(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT) pass_on(what);
            if (events[i].events & ~(unsigned)EPOLLOUT) hear(what);
        }
        if (batch_size) flush();
    }
}
