#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include "import/onnx_builder.hpp"

// Initializers: typed fields, sizes that lie, external files, files above 2 and 4 GB.
namespace hone {
namespace {

using namespace testing_tools;
using testing::HasSubstr;
namespace fs = std::filesystem;

OnnxBuilder model_with(const std::string& tensor) {
  OnnxBuilder model;
  model.input("x", Shape{2}).output("y").node({"Relu", {"x"}, {"y"}});
  model.field(onnx::graph::initializer, tensor);
  return model;
}

template <class Fill>
std::string tensor_of(DType dtype, const Dims& dims, Fill fill) {
  return message([&](PbfWriter& out) {
    out.add_packed_int64(onnx::tensor::dims, dims.begin(), dims.end());
    out.add_int32(onnx::tensor::data_type, static_cast<int32_t>(dtype));
    out.add_string(onnx::tensor::name, "w");
    fill(out);
  });
}

template <class Fill>
Tensor import_tensor(DType dtype, const Dims& dims, Fill fill) {
  Graph graph = model_with(tensor_of(dtype, dims, fill)).import();
  return graph.find_value("w")->constant();
}

template <class Fill>
std::string tensor_error(DType dtype, const Dims& dims, Fill fill) {
  return error_of([&] { import_tensor(dtype, dims, fill); });
}

TEST(ImportTensor, TypedFields) {
  std::vector<float> floats{1.5f, -2};
  std::vector<double> doubles{1.5, -2};
  std::vector<int32_t> ints{3, -4};
  std::vector<int64_t> longs{5, -6};
  std::vector<uint64_t> unsigneds{7, 8};
  auto as_floats = [&](PbfWriter& out) {
    out.add_packed_float(onnx::tensor::float_data, floats.begin(), floats.end());
  };
  auto as_doubles = [&](PbfWriter& out) {
    out.add_packed_double(onnx::tensor::double_data, doubles.begin(), doubles.end());
  };
  auto as_ints = [&](PbfWriter& out) { out.add_packed_int32(onnx::tensor::int32_data, ints.begin(), ints.end()); };
  auto as_longs = [&](PbfWriter& out) { out.add_packed_int64(onnx::tensor::int64_data, longs.begin(), longs.end()); };
  auto as_unsigneds = [&](PbfWriter& out) {
    out.add_packed_uint64(onnx::tensor::uint64_data, unsigneds.begin(), unsigneds.end());
  };
  EXPECT_EQ(import_tensor(DType::f32, {2}, as_floats).to_floats(), floats);
  EXPECT_EQ(import_tensor(DType::f64, {2, 1}, as_doubles).to_floats(), floats);
  EXPECT_EQ(import_tensor(DType::i32, {2}, as_ints).to_ints(), (std::vector<int64_t>{3, -4}));
  EXPECT_EQ(import_tensor(DType::i8, {2}, as_ints).to_ints(), (std::vector<int64_t>{3, -4}));
  EXPECT_EQ(import_tensor(DType::i16, {2}, as_ints).to_ints(), (std::vector<int64_t>{3, -4}));
  EXPECT_EQ(import_tensor(DType::u8, {2}, as_ints).to_ints(), (std::vector<int64_t>{3, 252}));
  EXPECT_EQ(import_tensor(DType::u16, {2}, as_ints).to_ints(), (std::vector<int64_t>{3, 65532}));
  EXPECT_EQ(import_tensor(DType::boolean, {2}, as_ints).to_ints(), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(import_tensor(DType::i64, {2}, as_longs).to_ints(), longs);
  EXPECT_EQ(import_tensor(DType::u32, {2}, as_unsigneds).to_ints(), (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(import_tensor(DType::u64, {2}, as_unsigneds).to_ints(), (std::vector<int64_t>{7, 8}));
}

TEST(ImportTensor, HalfFloatsAreBitsInInt32Data) {
  std::vector<int32_t> half{Half(1.5f).bits, Half(-2.f).bits}, brain{BFloat16(1.5f).bits, BFloat16(-2.f).bits};
  std::vector<float> expected{1.5f, -2};
  auto field = [](std::vector<int32_t>& bits) {
    return [&](PbfWriter& out) { out.add_packed_int32(onnx::tensor::int32_data, bits.begin(), bits.end()); };
  };
  EXPECT_EQ(import_tensor(DType::f16, {2}, field(half)).to_floats(), expected);
  EXPECT_EQ(import_tensor(DType::bf16, {2}, field(brain)).to_floats(), expected);
}

TEST(ImportTensor, UnpackedNumbersAndStrings) {
  auto floats = [](PbfWriter& out) {
    out.add_float(onnx::tensor::float_data, 1);
    out.add_float(onnx::tensor::float_data, 2);
  };
  EXPECT_EQ(import_tensor(DType::f32, {2}, floats).to_floats(), (std::vector<float>{1, 2}));
  auto strings = [](PbfWriter& out) {
    out.add_bytes(onnx::tensor::string_data, "cat");
    out.add_bytes(onnx::tensor::string_data, "dog");
  };
  EXPECT_EQ(import_tensor(DType::string, {2}, strings).strings(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_THAT(tensor_error(DType::string, {3}, strings), HasSubstr("string[3] needs 3 strings, has 2"));
}

TEST(ImportTensor, RawBoolsAreNormalized) {
  auto raw = [](PbfWriter& out) { out.add_bytes(onnx::tensor::raw_data, std::string("\x00\x02\x01", 3)); };
  Tensor tensor = import_tensor(DType::boolean, {3}, raw);
  const auto* bytes = static_cast<const unsigned char*>(tensor.raw());
  EXPECT_EQ((std::vector<int>{bytes[0], bytes[1], bytes[2]}), (std::vector<int>{0, 1, 1}));
}

TEST(ImportTensor, SizesThatLie) {
  auto raw = [](PbfWriter& out) { out.add_bytes(onnx::tensor::raw_data, std::string(8, 'a')); };
  EXPECT_THAT(tensor_error(DType::f32, {3}, raw), HasSubstr("initializer 'w': f32[3] needs 12 bytes of data, has 8"));
  EXPECT_THAT(tensor_error(DType::f32, {1}, raw), HasSubstr("f32[1] needs 4 bytes of data, has 8"));
  EXPECT_THAT(tensor_error(DType::f32, {2, -1}, raw), HasSubstr("initializer 'w': [2, -1] has a negative size"));
  int64_t huge = int64_t{1} << 40;
  EXPECT_THAT(tensor_error(DType::f32, {huge, huge}, raw), HasSubstr("has too many elements"));
  EXPECT_THAT(tensor_error(DType::f64, {huge, 1 << 20}, raw), HasSubstr("bytes of data, has 8"));
  EXPECT_THAT(tensor_error(DType::f32, {huge}, [](PbfWriter&) {}), HasSubstr("needs 1099511627776 numbers, has 0"));
  EXPECT_THAT(tensor_error(DType::f32, Dims(100, 1), raw), HasSubstr("has 100 dimensions, expected at most 64"));
  EXPECT_THAT(tensor_error(static_cast<DType>(17), {8}, raw),
              HasSubstr("element type float8e4m3fn (17), which Hone does not have"));
  EXPECT_THAT(tensor_error(static_cast<DType>(99), {8}, raw), HasSubstr("element type unknown (99)"));
}

// ---- external data ----

std::string external_tensor(DType dtype, const Dims& dims, const std::map<std::string, std::string>& entries) {
  return tensor_of(dtype, dims, [&](PbfWriter& out) {
    for (auto& [key, value] : entries)
      out.add_message(onnx::tensor::external_data, message([&](PbfWriter& entry) {
                        entry.add_string(onnx::entry::key, key);
                        entry.add_string(onnx::entry::value, value);
                      }));
    out.add_enum(onnx::tensor::data_location, 1);
  });
}

class ImportExternal : public testing::Test {
 protected:
  ImportExternal() {
    fs::create_directory(folder_ / "model");
    std::vector<float> values{0, 1, 2, 3};
    write_file(folder_ / "model/weights.bin", std::string_view(reinterpret_cast<char*>(values.data()), 16));
    write_file(folder_ / "secret.bin", std::string(16, 's'));
  }
  Tensor import(const Dims& dims, const std::map<std::string, std::string>& entries, DType dtype = DType::f32) {
    auto path = folder_.write("model/model.onnx", model_with(external_tensor(dtype, dims, entries)).bytes());
    Graph graph = import_model(path);
    return graph.find_value("w")->constant();
  }
  std::string error(const Dims& dims, const std::map<std::string, std::string>& entries) {
    return error_of([&] { import(dims, entries); });
  }
  OnnxFolder folder_;
};

TEST_F(ImportExternal, OffsetAndLength) {
  EXPECT_EQ(import({4}, {{"location", "weights.bin"}}).to_floats(), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(import({2}, {{"location", "weights.bin"}, {"offset", "8"}, {"length", "8"}}).to_floats(),
            (std::vector<float>{2, 3}));
  EXPECT_EQ(import({2}, {{"location", "./weights.bin"}, {"offset", "4"}}).to_floats(), (std::vector<float>{1, 2}));
}

TEST_F(ImportExternal, LinksInsideTheFolderAreFine) {
  fs::create_symlink("weights.bin", folder_ / "model/link.bin");
  EXPECT_EQ(import({4}, {{"location", "link.bin"}}).to_floats(), (std::vector<float>{0, 1, 2, 3}));
}

TEST_F(ImportExternal, NothingOutsideTheFolderIsRead) {
  EXPECT_THAT(error({4}, {{"location", "../secret.bin"}}),
              HasSubstr("initializer 'w': has its data in '../secret.bin', outside the model's folder"));
  EXPECT_THAT(error({4}, {{"location", "sub/../../secret.bin"}}), HasSubstr("outside the model's folder"));
  EXPECT_THAT(error({4}, {{"location", (folder_ / "secret.bin").string()}}), HasSubstr("outside the model's folder"));
  fs::create_symlink("../secret.bin", folder_ / "model/link.bin");
  EXPECT_THAT(error({4}, {{"location", "link.bin"}}), HasSubstr("a link that leads outside the model's folder"));
  fs::create_directory_symlink("..", folder_ / "model/up");
  EXPECT_THAT(error({4}, {{"location", "up/secret.bin"}}), HasSubstr("a link that leads outside the model's folder"));
}

TEST_F(ImportExternal, BrokenEntries) {
  EXPECT_THAT(error({4}, {{"location", "none.bin"}}), HasSubstr("has its data in 'none.bin', which cannot be opened"));
  EXPECT_THAT(error({4}, {}), HasSubstr("names no external data file"));
  EXPECT_THAT(error({4}, {{"location", "."}}), HasSubstr("is a folder"));
  EXPECT_THAT(error({5}, {{"location", "weights.bin"}}),
              HasSubstr("needs bytes 0 to 20 of 'weights.bin', which has 16"));
  EXPECT_THAT(error({1}, {{"location", "weights.bin"}, {"offset", "16"}}), HasSubstr("needs bytes 16 to 20"));
  EXPECT_THAT(error({4}, {{"location", "weights.bin"}, {"length", "8"}}), HasSubstr("needs 16 bytes of data, has 8"));
  EXPECT_THAT(error({4}, {{"location", "weights.bin"}, {"offset", "-4"}}),
              HasSubstr("external data has offset '-4', expected a number"));
  EXPECT_THAT(error({4}, {{"location", "weights.bin"}, {"offset", "18446744073709551615"}}), HasSubstr("which has 16"));
  EXPECT_THAT(error({4}, {{"location", "weights.bin"}, {"offset", "99999999999999999999"}}),
              HasSubstr("expected a number"));
}

/// A file of `size` bytes that takes no space; false where the file system cannot.
bool make_sparse(const fs::path& path, int64_t size) {
  write_file(path, "");
  return ::truncate(path.c_str(), size) == 0;
}

TEST_F(ImportExternal, DataFilesAbove4GB) {
  int64_t size = (int64_t{5} << 30) + 8;
  if (!make_sparse(folder_ / "model/big.bin", size)) GTEST_SKIP() << "no sparse files here";
  Tensor tensor = import({size}, {{"location", "big.bin"}}, DType::u8);
  EXPECT_EQ(tensor.size(), size);
  Tensor end = import({8}, {{"location", "big.bin"}, {"offset", std::to_string(size - 8)}}, DType::u8);
  EXPECT_EQ(end.to_ints(), std::vector<int64_t>(8, 0));
}

TEST(ImportTensor, ModelFilesAbove4GB) {
  // A model whose raw_data is a hole of 5 GB at the end of the graph. Only our own length arithmetic can read it.
  uint64_t size = uint64_t{5} << 30;
  auto field = [](onnx::Field number, uint64_t length) {
    std::string bytes;
    protozero::add_varint_to_buffer(&bytes, number << 3 | 2);
    protozero::add_varint_to_buffer(&bytes, length);
    return bytes;
  };
  OnnxBuilder small;
  small.input("x", Shape{2}).output("y").node({"Relu", {"x"}, {"y"}});
  std::string head =
      tensor_of(DType::u8, {static_cast<int64_t>(size)}, [](PbfWriter&) {}) + field(onnx::tensor::raw_data, size);
  std::string graph = small.graph + field(onnx::graph::initializer, head.size() + size) + head;
  std::string bytes = OnnxBuilder().bytes();
  bytes = bytes.substr(0, 2) + bytes.substr(4) + field(onnx::model::graph, graph.size() + size) + graph;
  OnnxFolder folder;
  auto path = folder.write("model.onnx", bytes);
  if (::truncate(path.c_str(), static_cast<off_t>(bytes.size() + size)) != 0) GTEST_SKIP() << "no sparse files here";
  Graph imported = import_model(path);
  EXPECT_EQ(imported.find_value("w")->constant().size(), static_cast<int64_t>(size));
}

}  // namespace
}  // namespace hone
