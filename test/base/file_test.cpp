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

TEST(MappedFile, CopiesPartsOfAFileAndOtherMemory) {
  TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 100000; ++i) content += static_cast<char>('a' + i % 26);
  write_file(folder / "file", content);
  std::string copy(50001, ' ');
  {
    auto file = MappedFile::open(folder / "file");
    EXPECT_TRUE(MappedFile::holds(file->bytes().data() + 7, 99993));
    EXPECT_FALSE(MappedFile::holds(file->bytes().data() + 7, 99994));
    MappedFile::copy(copy.data(), file->bytes().data() + 4097, copy.size());
    EXPECT_EQ(copy, content.substr(4097, 50001));
  }
  EXPECT_FALSE(MappedFile::holds(content.data(), content.size()));
  MappedFile::copy(copy.data(), content.data() + 1, copy.size());
  EXPECT_EQ(copy, content.substr(1, 50001));
}

}  // namespace
}  // namespace hone
