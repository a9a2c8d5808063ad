// moodycamel's BlockingConcurrentQueue (Cameron Desrochers), with the tokens that its documentation advises.
//
// It promises no order between producers, keeps one queue for each of them and has neither a bound that a producer
// waits at nor a select; so it is measured unbounded alone, and is no peer that keeps FIFO.
#include <concurrentqueue/blockingconcurrentqueue.h>

#include "report.hpp"

namespace interpchannels::bench {
namespace {

class Moodycamel {
    using Queue = moodycamel::BlockingConcurrentQueue<std::uint64_t>;

public:
    static constexpr const char* name = "moodycamel";
    static constexpr bool selects = false;
    static bool takes(std::int64_t capacity) { return capacity == kNoLimit; }

    explicit Moodycamel(std::int64_t) {}

    class Sender {
    public:
        explicit Sender(Moodycamel& channel) : queue_(channel.queue_), token_(channel.queue_) {}
        void send(std::uint64_t value) {
            if (!queue_.enqueue(token_, value)) std::abort();  // no memory
        }

    private:
        Queue& queue_;
        moodycamel::ProducerToken token_;
    };
    class Receiver {
    public:
        explicit Receiver(Moodycamel& channel) : queue_(channel.queue_), token_(channel.queue_) {}
        std::uint64_t recv() {
            std::uint64_t value = 0;
            queue_.wait_dequeue(token_, value);
            return value;
        }

    private:
        Queue& queue_;
        moodycamel::ConsumerToken token_;
    };

private:
    Queue queue_;
};

}  // namespace
}  // namespace interpchannels::bench

int main(int argc, char** argv) {
    return interpchannels::bench::bench_main<interpchannels::bench::Moodycamel>(argc, argv);
}
