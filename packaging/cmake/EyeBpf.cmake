# eye_bpf_object(NAME SOURCE [DEFINITION...]): compiles SOURCE with clang for BPF and makes an INTERFACE target
# eye_bpf_NAME whose users can include "bpf/NAME.skel.h".
find_program(EYE_BPF_CLANG clang REQUIRED)
find_program(EYE_BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)

set(EYE_BPF_ARCH x86)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(EYE_BPF_ARCH arm64)
endif()

function(eye_bpf_object name source)
    get_filename_component(source ${source} ABSOLUTE)
    set(object ${CMAKE_BINARY_DIR}/bpf/${name}.bpf.o)
    set(skeleton ${CMAKE_BINARY_DIR}/bpf/${name}.skel.h)
    # Line information in BTF holds paths: without the folder's own they are the same everywhere.
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${EYE_BPF_CLANG} -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_${EYE_BPF_ARCH}
                ${ARGN} -Wall -Wextra $<$<BOOL:${EYE_WERROR}>:-Werror> -Wno-unused-function -Wno-unused-parameter -Wno-missing-declarations
                -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -fdebug-compilation-dir=.
                -I${CMAKE_SOURCE_DIR} -I${CMAKE_BINARY_DIR} -isystem ${CMAKE_SYSROOT}/usr/include/${CMAKE_C_LIBRARY_ARCHITECTURE} -MD -MF ${object}.d -MT ${object}
                -c ${source} -o ${object}
        DEPENDS ${source}
        DEPFILE ${object}.d
        COMMENT "BPF object ${name}"
        COMMAND_EXPAND_LISTS
        VERBATIM)
    # -L: the stripped object with BTF for CO-RE; DWARF would triple the binary.
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND ${EYE_BPFTOOL} gen object ${object}.linked ${object}
        COMMAND ${EYE_BPFTOOL} gen skeleton ${object}.linked name ${name} > ${skeleton}
        DEPENDS ${object}
        COMMENT "BPF skeleton ${name}"
        VERBATIM)
    add_custom_target(${name}_skeleton DEPENDS ${skeleton})
    add_library(eye_bpf_${name} INTERFACE)
    add_dependencies(eye_bpf_${name} ${name}_skeleton)
    target_include_directories(eye_bpf_${name} SYSTEM INTERFACE ${CMAKE_BINARY_DIR})
endfunction()
