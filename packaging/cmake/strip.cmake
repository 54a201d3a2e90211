# Run by CPack on what it is about to pack: as dh_strip does. CPACK_STRIP_FILES leaves .comment.
file(GLOB_RECURSE programs ${CPACK_TEMPORARY_DIRECTORY}/*/sbin/sockeye)
execute_process(
    COMMAND strip --remove-section=.comment --remove-section=.note ${programs}
    COMMAND_ERROR_IS_FATAL ANY)
