// Notifiers: a signal is never lost, however it meets the reader, and the ready list keeps its order.
#include "channel/notifier.hpp"

#include <sys/resource.h>

#include "channel/offer.hpp"
#include "channel/waiter.hpp"
#include "notifier_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

TEST(Notifier, IsReadableFromTheSignalUntilItIsCleared) {
    OwnNotifier notifier;
    EXPECT_FALSE(notifier.readable());
    notifier->signal();
    notifier->signal();
    EXPECT_TRUE(notifier.readable());
    notifier->clear();
    EXPECT_FALSE(notifier.readable());
    notifier->clear();
    EXPECT_FALSE(notifier.readable());
    notifier->signal();
    EXPECT_TRUE(notifier.readable());
}

TEST(Notifier, TheDescriptorGoesWithTheLastCount) {
    const int before = open_descriptors();
    Notifier* const notifier = Notifier::make();
    ASSERT_NE(notifier, nullptr);
    EXPECT_GT(open_descriptors(), before);
    notifier->ref();
    notifier->unref();
    EXPECT_GT(open_descriptors(), before);
    notifier->unref();
    EXPECT_EQ(open_descriptors(), before);
}

TEST(Notifier, WithoutADescriptorThereIsNone) {
    rlimit usual{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
    const int before = open_descriptors();
    rlimit none = usual;
    none.rlim_cur = 0;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    Notifier* const notifier = Notifier::make();
    const int error = errno;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
    EXPECT_EQ(notifier, nullptr);
    EXPECT_EQ(error, EMFILE);
    EXPECT_EQ(open_descriptors(), before);
}

TEST(Notifier, PopsInTheOrderOfThePushes) {
    OwnNotifier notifier;
    Waiter waiters[5];
    EXPECT_EQ(notifier->pop(), nullptr);
    notifier->push(waiters[0]);
    notifier->push(waiters[1]);
    notifier->push(waiters[2]);
    EXPECT_EQ(notifier->pop(), &waiters[0]);
    notifier->push(waiters[3]);
    notifier->push(waiters[4]);
    for (int i = 1; i < 5; ++i) EXPECT_EQ(notifier->pop(), &waiters[i]) << i;
    EXPECT_EQ(notifier->pop(), nullptr);
}

TEST(Notifier, RemovesFromWhereverItIs) {
    for (int gone = 0; gone < 4; ++gone) {
        for (int popped = 0; popped < 2; ++popped) {  // 1: some of them were gathered already
            OwnNotifier notifier;
            Waiter waiters[6];
            notifier->push(waiters[5]);
            for (int i = 0; i < 2 * popped; ++i) notifier->push(waiters[i]);
            EXPECT_EQ(notifier->pop(), &waiters[5]);
            for (int i = 2 * popped; i < 4; ++i) notifier->push(waiters[i]);
            notifier->remove(waiters[gone]);
            notifier->remove(waiters[gone]);  // not there: nothing happens
            notifier->push(waiters[4]);
            for (int i = 0; i < 5; ++i) {
                if (i != gone) {
                    EXPECT_EQ(notifier->pop(), &waiters[i]) << gone << popped;
                }
            }
            EXPECT_EQ(notifier->pop(), nullptr);
        }
    }
}

// Each of many threads makes something true, then signals; the reader sleeps, clears and looks. One lost signal and
// it sleeps for ever.
TEST(Notifier, NoSignalIsLostToAReaderThatClears) {
    OwnNotifier notifier;
    constexpr int kThreads = 3;
    const int each = rounds(20'000);
    std::atomic<int> made{0};
    std::atomic<int> seen{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < each; ++i) {
                const int mine = made.fetch_add(1) + 1;
                notifier->signal();
                // Now and then, wait until it was seen: the reader goes to sleep.
                if (i % 64 == 0) spin_until([&] { return seen.load() >= mine; });
            }
        });
    }
    while (seen.load() != kThreads * each) {
        await_readable(notifier->descriptor());
        notifier->clear();
        seen.store(made.load());
    }
    for (std::thread& t : threads) t.join();
}

// Pushes from many threads come out once each, one thread's in their order.
TEST(Notifier, NoPushIsLost) {
    OwnNotifier notifier;
    constexpr int kThreads = 3;
    const int each = rounds(20'000);
    std::unique_ptr<Waiter[]> waiters[kThreads];
    const Waiter* next[kThreads] = {};  // of each thread, what has to come out
    for (int t = 0; t < kThreads; ++t) {
        waiters[t].reset(new Waiter[static_cast<std::size_t>(each)]);
        next[t] = waiters[t].get();
        for (int i = 0; i < each; ++i) waiters[t][static_cast<std::size_t>(i)].owner = &next[t];
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                notifier->push(waiters[t][static_cast<std::size_t>(i)]);
                notifier->signal();
            }
        });
    }
    for (int left = kThreads * each; left != 0;) {
        await_readable(notifier->descriptor());
        for (const Waiter* const w : notifier.ready()) {
            EXPECT_EQ(w, (*static_cast<const Waiter**>(w->owner))++);
            --left;
        }
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(notifier->pop(), nullptr);
}

// The end of a group reaches who waits by a notifier, once, and the group's blocked threads are not they.
// Its owner lets go of an offer that is done or refused, so the ready list must not know it any more.
TEST(Notifier, AnOfferThatIsOverIsNotInTheReadyList) {
    constexpr int kRounds = 100'000;
    OwnNotifier notifier;
    std::atomic<int> round{-1};
    std::atomic<Channel*> current{nullptr};
    std::atomic<bool> cancelled{false};
    std::atomic<int> through{-1};
    std::thread other([&] {
        for (int i = 0; i < kRounds; ++i) {
            while (round.load() < i) std::this_thread::yield();
            for (int pause = i % 64; pause > 0; --pause) cpu_relax();
            if (i % 2 == 0) {  // the handle is closed
                cancelled.store(true);
                current.load()->wake_all();
            } else {  // it was closed before, and a place is made
                Parcel out;
                Scratch scratch;
                static_cast<void>(current.load()->try_recv(out, scratch));
            }
            through.store(i);
        }
    });
    for (int i = 0; i < kRounds; ++i) {
        PlainChannel channel(1);
        send_now(*channel, 0);
        Message message(1);
        Offer offer(*channel, message.parcel, 1, false, &*notifier);
        cancelled.store(i % 2 == 1);
        current.store(&*channel);
        round.store(i);
        Status status = offer.look(&cancelled, nullptr);
        while (through.load() < i) std::this_thread::yield();
        std::vector<Waiter*> ready = notifier.ready();
        if (status == Status::kWouldBlock) {
            ASSERT_EQ(ready, std::vector<Waiter*>{&offer.waiter()}) << "round " << i;
            status = offer.look(&cancelled, nullptr);
            ready = notifier.ready();
        }
        ASSERT_NE(status, Status::kWouldBlock) << "round " << i;
        ASSERT_TRUE(ready.empty()) << "round " << i;
    }
    other.join();
}

TEST(Notifier, AGroupsEndIsToldOnce) {
    OwnNotifier notifier;
    WaitGroup group;
    Waiter alarm(&*notifier, true);
    ASSERT_TRUE(group.enter(alarm));
    EXPECT_EQ(group.count().blocked, 0);
    group.poke();
    EXPECT_TRUE(notifier.readable());
    group.poke();
    EXPECT_EQ(notifier.ready(), std::vector<Waiter*>{&alarm});
    alarm.word.store(Waiter::kWaiting);
    group.end();
    group.wake_all();
    EXPECT_TRUE(notifier.readable());
    EXPECT_EQ(notifier.ready(), std::vector<Waiter*>{&alarm});
    group.leave(alarm);
    Waiter late(&*notifier, true);
    EXPECT_FALSE(group.enter(late));
}

TEST(Notifier, WhoWasInAGroupBeforeAForkLeavesItInPeace) {
    OwnNotifier notifier;
    WaitGroup group;
    Waiter first(&*notifier, true);
    Waiter second(&*notifier, true);
    ASSERT_TRUE(group.enter(first));
    ASSERT_TRUE(group.enter(second));
    group.clear_after_fork();
    Waiter ours(&*notifier, true);
    ASSERT_TRUE(group.enter(ours));
    group.leave(first);
    group.leave(second);
    group.wake_all();
    EXPECT_EQ(notifier.ready(), std::vector<Waiter*>{&ours});
    group.leave(ours);
}

}  // namespace
}  // namespace interpchannels
