#pragma once
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "data/formats/folder.hpp"

namespace hone {

/// What a reader believes to see in a folder.
struct Candidate {
  double certainty = 0;      ///< 0..1: 0.9 and more for a layout that nothing else has
  std::vector<Task> tasks;   ///< what its annotation can be used for, the usual one first
  std::string where;         ///< the file or sub-folder it would read, relative to the root; empty: all of it
  std::string why;           ///< "labels_det/ has a .txt file with 5 numbers a line for each of 128 images"
};

struct ReadRequest {
  Task task = Task::classification;
  Candidate candidate;
  int threads = 0;
  Progress* progress = nullptr;
};

/// One format of data sets: one file, one line in the list.
struct Reader {
  const char* name;
  const char* summary;
  /// Looks at names and the first lines of a few files only. No candidates: not this format.
  std::vector<Candidate> (*detect)(const Folder& folder);
  /// Boxes need not be inside the image and images need not be readable; read_dataset() checks that. Throws Error for
  /// files that are broken as a whole; single bad annotations go to Dataset::problems.
  Dataset (*read)(const Folder& folder, const ReadRequest& request);
  bool embedded = false;  ///< samples hold their pixels: there is no file an image
};

/// All readers, in the order of the help text.
const std::vector<Reader>& readers();

// Each in the file of its name.
extern const Reader image_folder_reader, csv_reader, coco_reader, voc_reader, yolo_reader, masks_reader, cifar_reader,
    mnist_reader, datumaro_reader, sheets_reader, mvtec_reader;

// Shared by readers.

/// The part that a path speaks of ("images/train2017", "val_labels", "annotations/instances_test.json").
Part part_of(const std::string& path);
/// The index of a name in `classes`, which grows when it is new.
int class_index(std::vector<std::string>& classes, const std::string& name);
/// "0", "1", ... for files that name no classes; sets Dataset::named to false.
void number_classes(Dataset& dataset, int count);
/// Reads the sizes of all images (headers only); takes samples with a missing or broken image out, with a problem.
void measure_images(Dataset& dataset, const ReadRequest& request);
/// The names in the first file that is there: classes.txt, labels.txt, obj.names, ...; lines may start with an index.
std::vector<std::string> names_file(const Folder& folder, const std::vector<std::string>& candidates);
/// Lines without line ends and without empty ones at the end.
std::vector<std::string> lines_of(const std::string& text);
/// Spaces, tabs and line ends taken off both ends.
std::string trimmed(const std::string& text);

}  // namespace hone
