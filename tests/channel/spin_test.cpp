// The budgets of spinning: what a hit and a wait in vain make of them. Nobody looks at a clock here: a deadline that has
// passed makes a wait in vain short.
#include <gtest/gtest.h>

#include "channel/spin_budget.hpp"
#include "interpreter/attached_spin.hpp"

namespace interpchannels {
namespace {

constexpr Nanos kPassed = 0;

bool in_vain(SpinBudget& budget) {
    return !budget.spin([] { return false; }, kPassed);
}

class SpinBudgetTest : public testing::Test {
protected:
    void SetUp() override {
        if (!SpinBudget::useful()) GTEST_SKIP() << "one core: nobody spins";
    }
    SpinBudget budget;
};

TEST_F(SpinBudgetTest, FallsToNothingWhereAllIsInVain) {
    std::uint32_t before = budget.nanos();
    EXPECT_EQ(before, SpinBudget::kMaxNanos);
    for (int wait = 0; wait < 100; ++wait) {
        ASSERT_TRUE(in_vain(budget));
        if (before != 0) {
            ASSERT_LT(budget.nanos(), before);
        }
        before = budget.nanos();
    }
    EXPECT_EQ(before, 0u);
}

TEST_F(SpinBudgetTest, OneHitRestoresTheLeastAndAFewInVainKeepMostOfIt) {
    while (budget.nanos() != 0) ASSERT_TRUE(in_vain(budget));
    ASSERT_TRUE(budget.spin([] { return true; }, kNever));
    EXPECT_GE(budget.nanos(), SpinBudget::kMinNanos);
    for (int wait = 0; wait < 4; ++wait) ASSERT_TRUE(in_vain(budget));
    EXPECT_GE(budget.nanos(), SpinBudget::kMinNanos / 2);
}

TEST_F(SpinBudgetTest, AHitThatCameLateMakesRoomForItsLike) {
    while (budget.nanos() != 0) ASSERT_TRUE(in_vain(budget));
    // A budget of nothing is tried at full length now and then.
    for (int wait = 0; budget.nanos() <= SpinBudget::kMinNanos; ++wait) {
        ASSERT_LT(wait, 1'000'000);
        const Nanos ready_at = now() + SpinBudget::kMinNanos;
        budget.spin([&] { return now() >= ready_at; }, kNever);
    }
    EXPECT_LE(budget.nanos(), SpinBudget::kMaxNanos);
}

TEST(AttachedSpin, IsLongAfterALateAttachAndHalvesInVain) {
    AttachedSpin spin;
    const Nanos usual = spin.limit();
    spin.attached_after(50'000);
    EXPECT_EQ(spin.limit(), usual);
    spin.attached_after(5'000'000);
    const Nanos longest = spin.limit();
    EXPECT_GT(longest, 10 * usual);
    spin.in_vain();
    EXPECT_EQ(spin.limit(), longest / 2);
    for (int wait = 0; wait < 20; ++wait) spin.in_vain();
    EXPECT_EQ(spin.limit(), usual);
}

}  // namespace
}  // namespace interpchannels
