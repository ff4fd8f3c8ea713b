#include "base/file.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "temporary_folder.hpp"

namespace hone {
namespace {

TEST(MappedFile, PagesThatWereGivenBackAreReadAgain) {
  TemporaryFolder folder;
  auto path = folder / "file";
  std::string content;
  for (int i = 0; i < 100000; ++i) content += static_cast<char>('a' + i % 26);
  write_file(path, content);
  {
    auto file = MappedFile::open(path);
    EXPECT_EQ(file->text(), content);
    MappedFile::give_back(file->bytes().data() + 100, 90000);
    EXPECT_EQ(file->text(), content);
    MappedFile::give_back(file->bytes().data(), file->bytes().size() + 1);  // not within the file
    MappedFile::give_back_all();
    EXPECT_EQ(file->text(), content);
  }
}

TEST(MappedFile, MemoryThatIsNoFileIsLeftAlone) {
  std::vector<char> memory(100000, 'x');
  auto file = MappedFile::from_memory(std::as_bytes(std::span(memory)), "memory");
  MappedFile::give_back(memory.data(), memory.size());
  MappedFile::give_back(file->bytes().data(), file->bytes().size());
  MappedFile::give_back_all();
  EXPECT_EQ(memory, std::vector<char>(100000, 'x'));
  EXPECT_EQ(file->text(), std::string(100000, 'x'));
}

}  // namespace
}  // namespace hone
