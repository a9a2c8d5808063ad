// Sequences of channel operations against a simple reference model: two channels, one thread, all states.
//
// The first two bytes choose the capacities; each further one an operation, then what it needs. Whatever an operation
// says has to be what the model says, and after each of them the channels' states, counts and waiting sides are
// compared. Sends and receives that wait do so by a notifier (Offer::look, Watch): nothing blocks here.
//
// What the model knows: a queue of items; the offers that stand, in order (but for those of one select in one line);
// two bits for the close. What it demands of waiting: an offer is told when it is done or refused, and no watch waits
// untold while there is something that nobody was told of.
#include <cstring>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "channel/batch.hpp"
#include "channel/channel.hpp"
#include "channel/notifier.hpp"
#include "channel/offer.hpp"
#include "channel/select.hpp"
#include "channel/watch.hpp"
#include "fuzz/input.hpp"

namespace interpchannels::fuzz {
namespace {

constexpr std::uint8_t kRemove = 1;  // an unbound op: the item goes with its sender
constexpr std::uint8_t kUnbind = 2;  // another: it arrives without its value

// Released once, and that is counted.
class Counted final : public Attachment {
public:
    explicit Counted(int& live) noexcept : live_(live) { ++live_; }
    void release() noexcept override {
        --live_;
        delete this;
    }

private:
    int& live_;
};

struct Standing;

struct Item {
    std::uint64_t value = 0;
    std::int64_t sender = -1;
    std::uint8_t op = 0;
    bool plain = true;  // may travel in a batch
    bool unbound = false;
    // A select's: those of its sends that stand in one line do so in an order that is drawn, so this may be any of them
    // until the select is looked at, after the step in which one was chosen.
    const std::deque<Standing>* one_of = nullptr;
};

struct Message {
    Item item;
    std::vector<std::byte> bytes;
    Parcel parcel;
};

// A choice among offers, of which one is done.
struct Group {
    bool chosen = false;
};

struct Standing {
    std::unique_ptr<Message> message;
    std::unique_ptr<Offer> offer;
    std::shared_ptr<Group> group = std::make_shared<Group>();
    int channel = 0;
    bool until_taken = false;
    bool linked = false;  // these are the model's
    bool sent = false;
    bool told = false;
};

struct Watching {
    std::unique_ptr<Watch> watch;
    int channel = 0;
    bool armed = false;
    bool told = false;
};

struct Model {
    std::int64_t capacity = kUnbounded;
    std::deque<std::pair<std::uint64_t, Item>> queue;  // with its number among all that was published
    std::uint64_t published = 0;
    std::uint64_t direct = 0;
    std::list<std::pair<std::uint64_t, Standing*>> offers;  // with how many were published before
    bool sends_closed = false, closed_now = false, kept = false;

    bool offers_stand() const { return !sends_closed || (kept && !closed_now); }
    bool has_place() const {
        return capacity == kUnbounded || queue.size() < static_cast<std::uint64_t>(capacity);
    }
    bool ready() const { return !queue.empty() || !offers.empty() || sends_closed; }
    void append(const Item& item) { queue.emplace_back(published++, item); }
    void unlink(Standing& standing) {
        offers.remove_if([&](const auto& one) { return one.second == &standing; });
        standing.linked = false;
    }
    static bool claim(Standing& standing) {
        if (standing.group->chosen) return false;
        standing.group->chosen = true;
        return true;
    }
    void promote() {
        while (!offers.empty() && offers_stand() && has_place() && capacity > 0) {
            Standing& first = *offers.front().second;
            unlink(first);
            if (!claim(first)) continue;
            append(first.message->item);
            first.sent = true;
        }
    }
    Status recv(Item& out) {
        if (closed_now) return Status::kClosed;
        while (!offers.empty() && offers_stand()) {
            const auto [position, first] = offers.front();
            const bool turn = queue.empty() || (capacity == kUnbounded && position <= queue.front().first);
            if (!turn) break;
            unlink(*first);
            if (!claim(*first)) continue;
            out = first->message->item;
            first->sent = true;
            ++direct;
            promote();
            return Status::kOk;
        }
        if (queue.empty()) return sends_closed ? Status::kClosed : Status::kWouldBlock;
        out = queue.front().second;
        queue.pop_front();
        promote();
        return Status::kOk;
    }
    Status send(const Item& item) {
        if (sends_closed) return Status::kClosed;
        if (capacity == 0) return Status::kWouldBlock;
        if (capacity != kUnbounded && (!offers.empty() || !has_place())) return Status::kWouldBlock;
        append(item);
        return Status::kOk;
    }
    State state() const {
        if (closed_now) return State::kClosed;
        if (!sends_closed) return State::kOpen;
        return !queue.empty() || (kept && !offers.empty()) ? State::kClosing : State::kClosed;
    }
};

class Run {
public:
    explicit Run(Input& in) : in_(in), notifier_(Notifier::make()) {
        EXPECT(notifier_);
        for (int i = 0; i < 2; ++i) {
            static constexpr std::int64_t kCapacities[] = {kUnbounded, 0, 1, 2, 3, 17};
            models_[i].capacity = kCapacities[in_.below(6)];
            channels_[i] = Ref<Channel>::adopt(new Channel(models_[i].capacity));
        }
    }
    ~Run() {
        selects_.clear();
        offers_.clear();
        watches_.clear();
        for (auto& channel : channels_) {
            const ChannelStats stats = channel->stats();
            EXPECT(stats.waiting_receivers == 0 && stats.waiting_senders == 0);
            channel = {};
        }
        notifier_->unref();
        EXPECT(live_attachments_ == 0);
    }

    void all() {
        while (!in_.empty()) {
            step();
            withdraw_chosen();
            pop_ready();
            compare();
        }
    }

private:
    // A select that stands in line with what it would send.
    struct Choice {
        std::deque<Message> messages;
        std::vector<SelectOp> ops;
        Parcel out;
        Scratch scratch;
        std::unique_ptr<Select> select;
        std::deque<Standing> links;  // the model's, one for each operation
        std::shared_ptr<Group> group = std::make_shared<Group>();
    };

    int which() { return static_cast<int>(in_.below(2)); }

    void fill(Message& message) {
        Item& item = message.item;
        item.value = ++values_;
        const std::uint8_t form = in_.byte();
        std::size_t size = sizeof item.value;
        if (form & 1) size += form;               // in place, of any length
        if ((form & 6) == 6) size += kInlineMax;  // on the heap
        item.plain = size <= kInlineMax;
        Parcel& parcel = message.parcel;
        message.bytes.resize(size);
        std::memcpy(message.bytes.data(), &item.value, sizeof item.value);
        parcel.size = size;
        parcel.data = message.bytes.data();
        if (size > kInlineMax) {
            parcel.heap = static_cast<std::byte*>(std::malloc(size));
            EXPECT(parcel.heap);
            std::memcpy(parcel.heap, message.bytes.data(), size);
            parcel.data = parcel.heap;
        }
        if (form & 8) {
            parcel.attachments = new Counted(live_attachments_);
            parcel.attached = 5;
            item.plain = false;
        }
        item.sender = form & 1;
        if (form & 16) {
            item.op = form & 32 ? kRemove : kUnbind;
            parcel.unbound_op = item.op;
            parcel.sender = item.sender;
            item.plain = false;
        }
    }
    static void check(const Parcel& parcel, const Item& item) {
        EXPECT(parcel.unbound == item.unbound);
        if (item.unbound) return;
        std::uint64_t value = 0;
        EXPECT(parcel.size >= sizeof value);
        std::memcpy(&value, parcel.data, sizeof value);
        bool expected = value == item.value;
        if (item.one_of) {
            int line = -1;
            for (const Standing& link : *item.one_of) {
                if (link.message && link.message->item.value == item.value) line = link.channel;
            }
            for (const Standing& link : *item.one_of) {
                expected =
                    expected || (link.message && link.channel == line && link.message->item.value == value);
            }
        }
        EXPECT(expected);
    }
    void settle_if_owing(Channel& channel, Status& status) {
        if (status != Status::kOkOwing) return;
        channel.settle();
        status = Status::kOk;
    }

    void step() {
        switch (in_.below(18)) {
        case 0:
        case 1:
            return try_send();
        case 2:
        case 3:
            return try_recv(false);
        case 4:
            return try_recv(true);
        case 5:
            return new_offer();
        case 6:
            return drop_offer();
        case 7:
            return arm_watch();
        case 8:
            return drop_watch();
        case 9:
            return send_batch();
        case 10:
            return recv_batch();
        case 11:
            return close();
        case 12:
            return clear_sender();
        case 13:
        case 14:
            return select_once();
        case 15:
            return select_and_stand();
        case 16:
            return withdraw_select();
        default: {
            const int c = which();
            in_.byte() & 1 ? channels_[c]->wake_all() : channels_[c]->settle();
        }
        }
    }

    void try_send() {
        const int c = which();
        Message message;
        fill(message);
        Status status = Status::kContended;
        const Parcel& parcel = message.parcel;
        if (values_ % 2 != 0 && parcel.size <= ShortItem::kMax && !parcel.attachments) {
            alignas(8) std::byte bytes[ShortItem::kMax] = {};  // whole words
            std::memcpy(bytes, parcel.data, parcel.size);
            status = channels_[c]->try_send_short(bytes, static_cast<std::uint32_t>(parcel.size),
                                                  parcel.unbound_op, parcel.sender);
        }
        if (status == Status::kContended) {
            status = channels_[c]->try_send(message.parcel, message.item.sender);
        }
        EXPECT(status != Status::kContended);
        settle_if_owing(*channels_[c], status);
        EXPECT(status == models_[c].send(message.item));
    }

    void try_recv(bool blocking) {
        const int c = which();
        Parcel out;
        Scratch scratch;
        Status status = Status::kOk;
        if (blocking) {
            WaitFor wait;
            wait.deadline = 1;  // long ago
            status = channels_[c]->recv(out, scratch, wait);
            if (status == Status::kTimeout) status = Status::kWouldBlock;
        } else {
            ShortItem taken;
            status = values_ % 2 != 0 ? channels_[c]->try_recv_short(taken) : Status::kContended;
            if (status == Status::kOk) {
                std::memcpy(scratch.bytes, taken.bytes, taken.size);
                out.data = scratch.bytes;
                out.size = taken.size;
            } else {
                status = channels_[c]->try_recv(out, scratch);
                settle_if_owing(*channels_[c], status);
            }
        }
        Item item;
        EXPECT(status == models_[c].recv(item));
        if (status == Status::kOk) check(out, item);
    }

    void new_offer() {
        const int c = which();
        Model& model = models_[c];
        Standing& standing = offers_.emplace_back();
        standing.channel = c;
        standing.message = std::make_unique<Message>();
        fill(*standing.message);
        standing.until_taken = model.capacity == 0 || (model.capacity == kUnbounded && (in_.byte() & 1));
        standing.offer =
            std::make_unique<Offer>(*channels_[c], standing.message->parcel, standing.message->item.sender,
                                    standing.until_taken, notifier_);
        standing.offer->waiter().owner = &standing;
        look(standing);
    }
    // Offer::look() of one that is new or was told.
    void look(Standing& standing) {
        Model& model = models_[standing.channel];
        const Status status = standing.offer->look(nullptr, nullptr);
        Status expected = Status::kWouldBlock;
        const bool stays = standing.linked && model.kept && !model.closed_now;
        if (standing.sent) {
            expected = Status::kOk;
        } else if (model.sends_closed && !stays) {
            model.unlink(standing);
            expected = Status::kClosed;
        } else if (!standing.until_taken && model.has_place() &&
                   (model.capacity == kUnbounded ||
                    (standing.linked ? model.offers.front().second == &standing : model.offers.empty()))) {
            model.append(standing.message->item);
            model.unlink(standing);
            standing.sent = true;
            expected = Status::kOk;
        } else if (!standing.linked) {
            standing.linked = true;
            model.offers.emplace_back(model.published, &standing);
        }
        EXPECT(status == expected);
        standing.told = false;
        if (status == Status::kWouldBlock) {
            EXPECT(standing.offer->stands());
            return;
        }
        EXPECT((standing.message->parcel.data == nullptr) == (status == Status::kOk) ||
               standing.message->parcel.heap == nullptr);
        if (status != Status::kOk) check(standing.message->parcel, standing.message->item);
        forget(standing);
    }
    void forget(Standing& standing) {
        offers_.remove_if([&](const Standing& one) { return &one == &standing; });
    }
    void drop_offer() {
        if (offers_.empty()) return;
        auto at = offers_.begin();
        std::advance(at, in_.below(static_cast<unsigned>(offers_.size())));
        const bool withdrawn = at->offer->withdraw();
        EXPECT(withdrawn == !at->sent);
        notifier_->remove(at->offer->waiter());
        models_[at->channel].unlink(*at);
        offers_.erase(at);
    }

    void arm_watch() {
        const int c = which();
        for (Watching& watching : watches_) {
            if (watching.channel == c && !watching.armed) return arm(watching);
        }
        if (watches_.size() == 6) return;
        Watching& watching = watches_.emplace_back();
        watching.channel = c;
        watching.watch = std::make_unique<Watch>(*channels_[c], *notifier_, Watch::Kind::kPromise);
        watching.watch->waiter().owner = &watching;
        arm(watching);
    }
    void arm(Watching& watching) {
        const Status status = watching.watch->try_arm(nullptr, nullptr);
        EXPECT(status == (models_[watching.channel].ready() ? Status::kOk : Status::kWouldBlock));
        watching.armed = status == Status::kWouldBlock;
        watching.told = false;
    }
    void drop_watch() {
        if (watches_.empty()) return;
        auto at = watches_.begin();
        std::advance(at, in_.below(static_cast<unsigned>(watches_.size())));
        if (at->told && (in_.byte() & 1)) {  // looks, as it owes
            Parcel out;
            Scratch scratch;
            Status status = channels_[at->channel]->try_recv(out, scratch);
            settle_if_owing(*channels_[at->channel], status);
            at->watch->looked(status == Status::kOk);
            Item item;
            EXPECT(status == models_[at->channel].recv(item));
            if (status == Status::kOk) check(out, item);
            at->armed = at->told = false;
            return;
        }
        at->watch->cancel();
        notifier_->remove(at->watch->waiter());
        watches_.erase(at);
    }

    void send_batch() {
        const int c = which();
        Model& model = models_[c];
        Batch batch;
        std::vector<Item> items;
        for (unsigned i = in_.below(40) + 1; i > 0; --i) {
            std::byte* const room = batch.room();
            if (!room) break;
            Item item;
            item.value = ++values_;
            std::memcpy(room, &item.value, sizeof item.value);
            batch.add(sizeof item.value + i % 128);
            items.push_back(item);
        }
        std::uint64_t sent = 0;
        Status status = channels_[c]->try_send_batch(batch, 1, sent);
        settle_if_owing(*channels_[c], status);
        Status expected = Status::kOk;
        std::size_t places = items.size();
        if (model.capacity == 0) {
            expected = Status::kWouldBlock;
        } else if (model.sends_closed) {
            expected = Status::kClosed;
        } else if (model.capacity != kUnbounded) {
            const auto capacity = static_cast<std::size_t>(model.capacity);
            places = model.offers.empty() && model.has_place()
                         ? std::min(places, capacity - model.queue.size())
                         : 0;
            if (places == 0) expected = Status::kWouldBlock;
        }
        EXPECT(status == expected);
        EXPECT(sent == (status == Status::kOk ? places : 0));
        EXPECT(batch.count() == items.size() - sent);
        for (std::size_t i = 0; i < sent; ++i) model.append(items[i]);
    }
    void recv_batch() {
        const int c = which();
        Model& model = models_[c];
        const std::uint64_t max = in_.below(50) + 1;
        Batch batch;
        Status status = channels_[c]->try_recv_batch(batch, max);
        settle_if_owing(*channels_[c], status);
        const bool goes = model.capacity != 0 && (model.capacity != kUnbounded || model.offers.empty()) &&
                          !model.closed_now && !model.queue.empty() && model.queue.front().second.plain &&
                          !model.queue.front().second.unbound;
        if (!goes) {
            EXPECT(status == Status::kWouldBlock);
            return;
        }
        if (status == Status::kWouldBlock) {
            EXPECT(batch.empty());  // the first is too long for a batch
            return;
        }
        EXPECT(status == Status::kOk && batch.count() >= 1 && batch.count() <= max);
        while (!batch.empty()) {
            Parcel parcel;
            batch.front(parcel);
            check(parcel, model.queue.front().second);
            EXPECT(model.queue.front().second.plain);
            model.queue.pop_front();
            batch.pop_front();
        }
        model.promote();
    }

    void close() {
        const int c = which();
        Model& model = models_[c];
        switch (in_.below(8)) {  // seldom: little happens afterwards
        case 0:
        case 1: {
            const bool keep = in_.byte() & 1;
            channels_[c]->close_sends(keep);
            if (!model.sends_closed) {
                model.sends_closed = true;
                model.kept = keep;
            }
            return;
        }
        case 2:
            channels_[c]->close_now();
            model.sends_closed = model.closed_now = true;
            model.queue.clear();
            return;
        case 3: {
            const bool expected = model.queue.empty() && model.offers.empty();
            EXPECT(channels_[c]->close_if_empty() == expected);
            if (expected) model.sends_closed = model.closed_now = true;
            return;
        }
        default:
            return;
        }
    }

    void clear_sender() {
        const int c = which();
        const std::int64_t sender = in_.byte() & 1;
        channels_[c]->clear_sender(sender, kRemove);
        Model& model = models_[c];
        for (auto at = model.queue.begin(); at != model.queue.end();) {
            Item& item = at->second;
            if (item.op == 0 || item.sender != sender) {
                ++at;
            } else if (item.op == kRemove) {
                at = model.queue.erase(at);
            } else {
                item.unbound = true;
                ++at;
            }
        }
        model.promote();
    }

    // --- select ---

    void choose(Choice& choice) {
        const unsigned count = in_.below(4) + 1;
        for (unsigned i = 0; i < count; ++i) {
            SelectOp op;
            const int c = which();
            op.channel = channels_[c].get();
            if (in_.byte() & 1) {
                Message& message = choice.messages.emplace_back();
                fill(message);
                op.parcel = &message.parcel;
            }
            Standing& link = choice.links.emplace_back();
            link.channel = c;
            link.group = choice.group;
            link.until_taken = models_[c].capacity == 0;
            if (op.parcel) {
                link.message = std::make_unique<Message>();
                link.message->item = choice.messages.back().item;
            }
            choice.ops.push_back(op);
        }
        choice.select = std::make_unique<Select>(choice.ops.data(), choice.ops.size(), 1, choice.out,
                                                 choice.scratch, in_.byte() + 1u);
    }
    // What operation i would say now.
    Status would(const Choice& choice, std::size_t i) {
        Model copy = models_[choice.links[i].channel];
        if (choice.ops[i].parcel) return copy.send(choice.links[i].message->item);
        // A receive that takes an offer changes who made it, so it is only looked at.
        if (copy.closed_now) return Status::kClosed;
        bool offered = false;
        for (const auto& [position, standing] : copy.offers) offered = offered || !standing->group->chosen;
        if (!copy.queue.empty() || (offered && copy.offers_stand())) return Status::kOk;
        return copy.sends_closed ? Status::kClosed : Status::kWouldBlock;
    }
    void did(Choice& choice, Status status) {
        const std::size_t i = choice.select->index();
        EXPECT(i < choice.ops.size());
        Model& model = models_[choice.links[i].channel];
        Item item;
        if (choice.ops[i].parcel) {
            EXPECT(status == model.send(choice.links[i].message->item));
        } else {
            EXPECT(status == model.recv(item));
            if (status == Status::kOk) check(choice.out, item);
        }
        choice.group->chosen = true;
    }
    void select_once() {
        Choice choice;
        choose(choice);
        bool any = false;
        for (std::size_t i = 0; i < choice.ops.size(); ++i)
            any = any || would(choice, i) != Status::kWouldBlock;
        Status status = in_.byte() & 1 ? choice.select->try_once() : choice.select->try_together();
        EXPECT(status != Status::kContended);
        if (status == Status::kOkOwing) {
            choice.ops[choice.select->index()].channel->settle();
            status = Status::kOk;
        }
        EXPECT((status != Status::kWouldBlock) == any);
        if (status != Status::kWouldBlock) did(choice, status);
    }
    // Waits for no time: what it would send is then left standing, as when a signal came.
    void select_and_stand() {
        if (selects_.size() == 2) return;
        auto choice = std::make_unique<Choice>();
        choose(*choice);
        bool any = false;
        for (std::size_t i = 0; i < choice->ops.size(); ++i)
            any = any || would(*choice, i) != Status::kWouldBlock;
        WaitFor wait;
        wait.slice = 1;
        const Status status = choice->select->wait(wait);
        EXPECT((status != Status::kInterrupted) == any);
        if (status != Status::kInterrupted) return did(*choice, status);
        for (Standing& link : choice->links) {
            if (!link.message) continue;
            link.linked = true;
            link.message->item.one_of = &choice->links;
            models_[link.channel].offers.emplace_back(models_[link.channel].published, &link);
        }
        selects_.push_back(std::move(choice));
    }
    void withdraw_select() {
        if (!selects_.empty()) withdraw(selects_.size() - 1);
    }
    // As its thread does when it is woken, and before anybody comes by: so no link of a select stands that is dead.
    void withdraw_chosen() {
        for (std::size_t i = selects_.size(); i-- > 0;) {
            if (selects_[i]->group->chosen) withdraw(i);
        }
    }
    void withdraw(std::size_t at) {
        Choice& choice = *selects_[at];
        const bool withdrawn = choice.select->withdraw();
        std::size_t sent = choice.links.size();
        for (std::size_t i = 0; i < choice.links.size(); ++i) {
            if (choice.links[i].sent) sent = i;
            models_[choice.links[i].channel].unlink(choice.links[i]);
        }
        EXPECT(withdrawn == (sent == choice.links.size()));
        if (!withdrawn) name(choice, sent, choice.select->index());
        selects_.erase(selects_.begin() + static_cast<std::ptrdiff_t>(at));
    }

    // The select says which it was of those that stood in one line; the model took the first of them.
    void name(const Choice& choice, std::size_t guess, std::size_t index) {
        EXPECT(index < choice.links.size());
        const Standing& chosen = choice.links[index];
        EXPECT(chosen.message && chosen.channel == choice.links[guess].channel);
        for (auto& [number, item] : models_[chosen.channel].queue) {
            if (item.one_of != &choice.links) continue;
            item = chosen.message->item;
            item.one_of = nullptr;
        }
    }

    // --- after each operation ---

    // What the notifier was told of: offers look, some at once and some later; watches are noted.
    void pop_ready() {
        notifier_->clear();
        while (Waiter* const waiter = notifier_->pop()) {
            bool is_offer = false;
            for (Standing& standing : offers_) {
                if (waiter->owner != &standing) continue;
                is_offer = true;
                standing.told = true;
                look(standing);
                break;
            }
            if (is_offer) continue;
            auto& watching = *static_cast<Watching*>(waiter->owner);
            EXPECT(watching.armed && !watching.told);
            watching.told = true;
        }
        // An offer that is done or refused was told, looked, and is gone.
        for (const Standing& standing : offers_) {
            EXPECT(!standing.sent);
            EXPECT(models_[standing.channel].offers_stand());
            EXPECT(standing.linked);
        }
    }

    void compare() {
        for (int c = 0; c < 2; ++c) {
            const Model& model = models_[c];
            const Channel& channel = *channels_[c];
            const ChannelStats stats = channel.stats();
            EXPECT(channel.state() == model.state());
            EXPECT(channel.count() == model.queue.size());
            EXPECT(channel.count_with_offers() == model.queue.size() + model.offers.size());
            EXPECT(stats.queued == model.queue.size());
            EXPECT(stats.sent == model.published + model.direct);
            EXPECT(stats.received == stats.sent - stats.queued);
            EXPECT(stats.waiting_senders == model.offers.size());
            EXPECT(channel.maybe_ready() == model.ready());
            EXPECT(model.capacity == kUnbounded ||
                   model.queue.size() <= static_cast<std::size_t>(model.capacity));
            std::size_t told = 0, untold = 0;
            for (const Watching& watching : watches_) {
                if (watching.channel != c || !watching.armed) continue;
                ++(watching.told ? told : untold);
            }
            EXPECT(stats.waiting_receivers == untold);
            if (untold != 0) {
                std::size_t there = model.queue.size();
                // An offer that waits for a place is there for a receiver once it has moved in.
                if (model.capacity <= 0) there += model.offers.size();
                EXPECT(told >= there && !model.sends_closed);
            }
        }
    }

    Input& in_;
    Notifier* const notifier_;
    Ref<Channel> channels_[2];
    Model models_[2];
    std::list<Standing> offers_;
    std::list<Watching> watches_;
    std::vector<std::unique_ptr<Choice>> selects_;
    std::uint64_t values_ = 0;
    int live_attachments_ = 0;
};

}  // namespace
}  // namespace interpchannels::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace interpchannels::fuzz;
    Input in(data, size);
    Run(in).all();
    return 0;
}
