package Tool;
# The tool, varve, as a command line; what it said is in $out and $err until it is started again.
#
#   is(varve('topic ls -b', $broker->address), 0, 'topics') or diag($err);
#   tool_at($broker); varve('topic ls'); # from then on all commands are for it
use strict;
use warnings;
use Exporter 'import';
use File::Temp qw(tempdir);
use Varved;

our @EXPORT = qw(varve tool_at $out $err);
our ($out, $err);

my $tool = ($ENV{builddir} // '.') . '/server/tool/varve';
my $dir = tempdir(CLEANUP => 1);

my $broker;
sub tool_at { ($broker) = @_; return }

# Its exit code; the words are for the shell.
sub varve {
    my ($command, @words) = @_;
    my $at = $broker ? '-b ' . $broker->address : '';
    my $rc = system("$tool $command $at @words >$dir/out 2>$dir/err");
    ($out, $err) = (text_of("$dir/out"), text_of("$dir/err"));
    return $rc >> 8;
}

1;
