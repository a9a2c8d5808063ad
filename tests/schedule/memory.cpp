// Scenes of the queue's memory: segments that are left, spared and used again, and what is given back.
//
// The engine's own segments are small enough: with the sizes here one holds one or two records, so that every send or
// every second one needs another, and every second one of these is the first again.
#include "schedule/scenes.hpp"

namespace interpchannels::scenes {
namespace {

constexpr std::size_t kHalf = 112;      // two records fill a segment
constexpr std::size_t kWholeOne = 240;  // one does
constexpr std::size_t kLarge = 400;     // more than a small segment holds

// A sender that never waits, and a receiver that never sleeps for long.
template <std::size_t kSize, int kItems>
void recycle() {
    Channel channel(kUnbounded);
    Account account;
    auto sender = [&] {
        for (int i = 0; i < kItems; ++i) send(channel, account, i, {}, kSize);
    };
    auto receiver = [&] {
        for (int i = 0; i < kItems; ++i) try_recv(channel, account);
    };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver", receiver);
    run(rest);
    at_end(account, channel);
}

// The receiver sleeps, and gives all memory back before it does.
template <std::size_t kSize, int kItems>
void recycle_and_sleep() {
    Channel channel(kUnbounded);
    Account account;
    auto sender = [&] {
        for (int i = 0; i < kItems; ++i) send(channel, account, i, {}, kSize);
    };
    auto receiver = [&] {
        for (int i = 0; i < kItems; ++i) recv(channel, account);
    };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver", receiver);
    run(rest);
    expect(account.received() == kItems, "they were sent, and not received");
    at_end(account, channel);
}

// A backlog has made the memory large. Who receives the last of it gives the memory back, unless a sender is at it.
template <std::size_t kSize>
void give_back() {
    Channel channel(kUnbounded);
    Account account;
    send(channel, account, 0, {}, kLarge);
    send(channel, account, 1, {}, kSize);
    auto sender = [&] {
        send(channel, account, 2, {}, kSize);
        send(channel, account, 3, {}, kLarge);
    };
    auto receiver = [&] {
        for (int i = 0; i < 4; ++i) try_recv(channel, account);
    };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver", receiver);
    run(rest);
    at_end(account, channel);
}

// The same where several are sent and received at once.
void batches() {
    Channel channel(2);
    Account account;
    auto sender = [&] {
        Batch batch;
        for (int i = 0; i < 3; ++i) {
            Message message(i, kHalf);
            ::std::memcpy(batch.room(), message.bytes, kHalf);
            batch.add(kHalf);
        }
        int next = 0;
        while (!batch.empty()) {
            std::uint64_t sent = 0;
            const Status status = channel.try_send_batch(batch, 1, sent);
            if (status == Status::kOkOwing) channel.settle();
            for (std::uint64_t i = 0; i < sent; ++i) account.accept(next++);
            if (sent != 0) continue;
            Parcel parcel;  // as module/batches.cpp: the first of them waits by itself
            batch.front(parcel);
            Offer offer(channel, parcel, 1, false);
            if (offer.wait(WaitFor{}) != Status::kOk) return;
            account.accept(next++);
            batch.pop_front();
        }
    };
    auto receiver = [&] {
        for (int round = 0; round < 2; ++round) {
            Batch batch;
            const Status status = channel.try_recv_batch(batch, 2);
            if (status == Status::kOkOwing) channel.settle();
            if (batch.empty()) {
                recv(channel, account);
                continue;
            }
            while (!batch.empty()) {
                Parcel parcel;
                batch.front(parcel);
                account.receive(parcel);
                batch.pop_front();
            }
        }
    };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver", receiver);
    run(rest);
    at_end(account, channel);
}

// Somebody closes the channel while they are at it.
void close_and_recycle() {
    Channel channel(kUnbounded);
    Account account;
    account.dropping = true;
    auto sender = [&] {
        for (int i = 0; i < 3; ++i) send(channel, account, i, {}, kWholeOne);
    };
    auto receiver = [&] {
        for (int i = 0; i < 3; ++i) try_recv(channel, account);
    };
    auto closer = [&] { channel.close_now(); };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver", receiver);
    go("closer", closer);
    run(rest);
    at_end(account, channel);
}

}  // namespace

extern const Scene kMemory[] = {
    {"recycle", recycle<kWholeOne, 3>, {kOrders, kTwo}, {kBuffers}},
    {"recycle, one in a segment", recycle<kWholeOne, 5>, {kFineTwo}, {kFineThree}},
    {"recycle, two in a segment", recycle<kHalf, 7>, {kFineTwo}, {kFineThree}},
    {"recycle and sleep", recycle_and_sleep<kWholeOne, 3>, {kFineTwo}, {kFineThree}},
    {"recycle and sleep, large", recycle_and_sleep<kLarge, 3>, {kFineTwo}, {kFineThree}},
    {"give back, then small", give_back<kHalf>, {kFineTwo}, {kFineThree}},
    {"give back, then large", give_back<kLarge>, {kFineTwo}, {kFineThree}},
    {"batches", batches, {kFineTwo}, {kFineThree}},
    {"close, recycle", close_and_recycle, {kFineTwo}, {kFineThree}},
};
extern const int kMemoryCount = sizeof kMemory / sizeof kMemory[0];

}  // namespace interpchannels::scenes
