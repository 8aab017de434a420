# The tool; the server joins it here.
#bin_PROGRAMS += server/tool/varve
#server_tool_varve_SOURCES = \
#	server/tool/varve.c \
#	$(NULL)
#server_tool_varve_LDADD = libvrvengine.la
