// What the system itself needs to let one thread ask another that computes for a while: the peer of a round trip whose
// waiter falls asleep. Two threads, two words, two futexes; nobody spins.
//
//   futex_round_trip ROUNDS THINK    prints the nanoseconds of the waiter's CPU in all rounds, then those of each round,
//                                    one a line; THINK is in nanoseconds
//
// A word counts the messages of its direction. The sender counts up and wakes; the receiver sleeps while the word is
// what it has seen, so a wake-up that comes before the sleep is not lost: the kernel compares the word again.

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct alignas(64) Direction {
    std::atomic<std::uint32_t> sent{0};

    static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t),
                  "the kernel looks at the word itself");

    void send() {
        sent.fetch_add(1, std::memory_order_release);  // pairs with the acquire in receive()
        syscall(SYS_futex, &sent, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }

    void receive(std::uint32_t seen) {
        while (sent.load(std::memory_order_acquire) == seen) {
            syscall(SYS_futex, &sent, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
        }
    }
};

std::int64_t cpu_of_this_thread() {
    timespec time{};
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) {
        std::perror("clock_gettime");
        std::exit(1);
    }
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

int main(int argc, char** argv) {
    const long rounds = argc == 3 ? std::atol(argv[1]) : 0;
    const long think = argc == 3 ? std::atol(argv[2]) : -1;
    if (rounds < 1 || rounds > 100'000'000 || think < 0) {
        std::fputs("usage: futex_round_trip ROUNDS THINK_NANOSECONDS\n", stderr);
        return 2;
    }
    Direction requests;
    Direction replies;
    std::thread other([&] {
        for (std::uint32_t round = 0; round < rounds; ++round) {
            requests.receive(round);
            const auto until = Clock::now() + std::chrono::nanoseconds(think);
            while (Clock::now() < until) {
            }
            replies.send();
        }
    });
    std::vector<std::int64_t> nanoseconds;
    nanoseconds.reserve(static_cast<std::size_t>(rounds));
    const std::int64_t cpu = cpu_of_this_thread();
    for (std::uint32_t round = 0; round < rounds; ++round) {
        const auto started = Clock::now();
        requests.send();
        replies.receive(round);
        nanoseconds.push_back(std::chrono::nanoseconds(Clock::now() - started).count());
    }
    const std::int64_t cpu_used = cpu_of_this_thread() - cpu;
    other.join();
    std::printf("%lld\n", static_cast<long long>(cpu_used));
    for (const auto time : nanoseconds) {
        std::printf("%lld\n", static_cast<long long>(time));
    }
}
