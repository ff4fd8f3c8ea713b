#include "train/checkpoint.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "train/test_util.hpp"

namespace hone {
namespace {

Checkpoint example() {
  Checkpoint checkpoint;
  checkpoint.tensors["weights"] = Tensor::of<float>({2, 3}, {1, -2, 0.1f, 4, 5, 6});
  checkpoint.tensors["empty"] = Tensor(DType::u8, {0, 4});
  checkpoint.integers["step"] = -7;
  checkpoint.numbers["loss"] = 0.1;
  checkpoint.numbers["infinite"] = INFINITY;
  checkpoint.texts["options"] = "a=1\nb=2";
  return checkpoint;
}

TEST(Checkpoint, ComesBackBitForBit) {
  TemporaryFolder folder;
  save_checkpoint(folder.path() / "run.ckpt", example());
  Checkpoint loaded = load_checkpoint(folder.path() / "run.ckpt");
  EXPECT_TRUE(identical(loaded.tensor("weights"), example().tensor("weights")));
  EXPECT_EQ(loaded.tensor("empty").dims(), (Dims{0, 4}));
  EXPECT_EQ(loaded.integer("step"), -7);
  EXPECT_EQ(loaded.number("loss"), 0.1);
  EXPECT_EQ(loaded.number("infinite"), INFINITY);
  EXPECT_EQ(loaded.text("options"), "a=1\nb=2");
  EXPECT_THROW(loaded.integer("other"), Error);
}

TEST(Checkpoint, EveryTruncationAndEveryFlippedByteIsFound) {
  TemporaryFolder folder;
  auto path = folder.path() / "run.ckpt";
  save_checkpoint(path, example());
  std::string whole = read_text_file(path);
  auto write = [&](const std::string& content) { std::ofstream(path, std::ios::binary) << content; };
  for (size_t size = 0; size < whole.size(); size += 3) {
    write(whole.substr(0, size));
    EXPECT_THROW(load_checkpoint(path), Error) << "cut to " << size;
  }
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    write(damaged);
    EXPECT_THROW(load_checkpoint(path), Error) << "byte " << i;
  }
  write(whole + "x");
  EXPECT_THROW(load_checkpoint(path), Error);
  EXPECT_THROW(load_checkpoint(folder.path() / "missing"), Error);
}

}  // namespace
}  // namespace hone
