#include "base/file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iterator>
#include <string>
#include <vector>

#include "base/error.hpp"
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

TEST(WriteFile, PipesLinksAndFoldersStayWhatTheyAre) {
  namespace fs = std::filesystem;
  TemporaryFolder folder;
  auto pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file(pipe, "through");
  char got[16] = {};
  EXPECT_EQ(::read(reader, got, sizeof got), 7);
  EXPECT_STREQ(got, "through");
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(pipe));

  auto file = folder / "file", link = folder / "link";
  write_file(file, "old");
  fs::create_symlink("file", link);
  write_file(link, "new");
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read_text_file(file), "new");

  fs::create_directory(folder / "sub");
  try {
    write_file(folder / "sub", "x");
    ADD_FAILURE() << "a folder was overwritten";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is a folder, expected a file to write"), std::string::npos);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / ""), fs::directory_iterator{}), 4);  // nothing left over
}

}  // namespace
}  // namespace hone
