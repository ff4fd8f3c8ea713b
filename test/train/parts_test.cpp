#include "train/part_sum.hpp"

#include <numeric>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace hone {
namespace {

/// body(part) in a thread each; what they threw.
template <class Body>
std::vector<std::string> run_parts(PartSums& sums, int parts, Body body) {
  std::vector<std::string> errors(static_cast<size_t>(parts));
  std::vector<std::thread> threads;
  sums.begin(parts);
  for (int part = 0; part < parts; ++part)
    threads.emplace_back([&, part] {
      try {
        body(part);
      } catch (const std::exception& error) {
        sums.abandon(std::current_exception());
        errors[static_cast<size_t>(part)] = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  return errors;
}

TEST(PartSums, AddUpRoundAfterRound) {
  PartSums sums(4, nullptr);
  for (int parts : {1, 3, 4}) {
    std::vector<std::vector<double>> seen(static_cast<size_t>(parts));
    auto errors = run_parts(sums, parts, [&](int part) {
      for (int round = 0; round < 300; ++round) {
        double values[] = {part + 0.1, static_cast<double>(round)};
        sums[part].sum(std::span(values, round % 2 ? 2 : 1));
        seen[static_cast<size_t>(part)].insert(seen[static_cast<size_t>(part)].end(), values, values + 2);
      }
    });
    EXPECT_THAT(errors, testing::Each(""));
    for (const auto& list : seen) {
      // The same bits everywhere; a value that was not handed over stays.
      for (size_t i = 0; i < list.size(); i += 2) EXPECT_EQ(list[i], seen[0][i]);
      EXPECT_NEAR(list[0], parts * (parts - 1) / 2.0 + 0.1 * parts, 1e-12);
      EXPECT_EQ(list[2 * 7 + 1], 7.0 * parts);
      EXPECT_EQ(list[2 * 8 + 1], 8.0);
    }
  }
}

TEST(PartSums, AnErrorInOnePartEndsAll) {
  PartSums sums(3, nullptr);
  for (int round = 0; round < 20; ++round) {
    auto errors = run_parts(sums, 3, [&](int part) {
      double value[] = {1};
      sums[part].sum(value);
      if (part == round % 3) throw Error("part", "fails");
      sums[part].sum(value);
    });
    EXPECT_THAT(errors, testing::Each("part: fails"));
  }
  auto errors = run_parts(sums, 2, [&](int part) {
    std::vector<double> values(static_cast<size_t>(1 + part));
    sums[part].sum(values);
  });
  EXPECT_THAT(errors, testing::Each(testing::HasSubstr("different things")));
}

TEST(PartSum, AloneIsTheSum) {
  double values[] = {3, 4};
  PartSum::alone().sum(values);
  EXPECT_THAT(values, testing::ElementsAre(3, 4));
}

}  // namespace
}  // namespace hone
