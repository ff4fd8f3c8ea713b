#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "train/log/epoch_log.hpp"
#include "train/log/event_file.hpp"
#include "train/test_util.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;

TEST(Crc32c, KnownAnswers) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

TEST(EventFile, IsReadBack) {
  TemporaryFolder folder;
  std::filesystem::path path;
  {
    EventFile file(folder.path());
    file.add({.wall_time = 12.5, .step = 1, .values = {{"loss/train", 0.5f}, {"accuracy/validation", 0.25f}}});
    path = file.path();
  }
  EXPECT_THAT(path.filename().string(), testing::StartsWith("events.out.tfevents."));
  EventFile again(folder.path());
  EXPECT_EQ(again.path(), path);
  again.add({.step = 2, .values = {{"loss/train", 0.125f}}});
  std::vector<ScalarEvent> events = read_event_file(path);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].wall_time, 12.5);
  EXPECT_EQ(events[0].values.at("accuracy/validation"), 0.25f);
  EXPECT_EQ(events[1].step, 2);
  EXPECT_GT(events[1].wall_time, 1e9);

  std::string text = read_text_file(path);
  text[text.size() - 6] ^= 1;
  write_file(path, text);
  try {
    read_event_file(path);
    FAIL() << "a damaged file was read";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("record 2 has a wrong check sum"));
  }
}

TEST(EpochLog, GoesOnWhereItIsContinued) {
  TemporaryFolder folder;
  auto epoch = [](int64_t number, double loss) {
    EpochRecord record;
    record.epoch = number;
    record.loss = loss;
    record.validation_metric = 0.5;
    return record;
  };
  {
    EpochLog log(folder.path(), false);
    log.add(epoch(1, 3), "mIoU");
    log.add(epoch(2, 2), "mIoU");
  }
  {
    EpochLog log(folder.path(), true);  // stopped before the checkpoint of epoch 2
    log.add(epoch(2, 1.5), "mIoU");
  }
  std::string text = read_text_file(folder.path() / "log.csv");
  EXPECT_THAT(text, testing::StartsWith("epoch,loss,mIoU,validation_loss,validation_mIoU,"));
  EXPECT_THAT(text, HasSubstr("\n1,3,0,0,0.5,"));
  EXPECT_THAT(text, HasSubstr("\n2,1.5,"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EpochLog anew(folder.path(), false);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "log.csv"));
}

TEST(EpochLog, SaysThatItCannotWrite) {
  EXPECT_THROW(EpochLog("/proc/no_such_folder", false), Error);
}

}  // namespace
}  // namespace hone
